# SPDX-License-Identifier: Apache-2.0
"""``vljepa index``: what is in recordings, into a store that can be searched and reviewed.

It goes on with what is not there yet, so a call that was stopped is called again.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vljepa_ros.commands.main import CommandError
from vljepa_ros.index.bag_out import BagOutError, write_bag
from vljepa_ros.index.find_recordings import RecordingJob, find_recordings, jobs_of
from vljepa_ros.index.index_job import Fate, IndexOptions, Outcome
from vljepa_ros.index.index_report import IndexReport
from vljepa_ros.index.local_workers import run_here, run_in_processes
from vljepa_ros.index.ray_workers import run_on_ray
from vljepa_ros.index.store import Store, StoreError
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument(
        "source",
        nargs="*",
        help="video, folder of images, bag, or folder that holds any of these; none, with "
        "--reindex: all that the store holds",
    )
    parser.add_argument("--store", required=True, help="folder of the index; made if it is new")
    parser.add_argument(
        "--topic", action="append", default=[], help="image topic of bags; default: every one"
    )
    parser.add_argument("--bundle", type=Path, help="folder of the bundle; default: the shipped")
    parser.add_argument(
        "--workers", type=_count, help="processes; default: one for each core and recording"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="work on this Ray cluster, whose machines see the same paths; 'local' starts one",
    )
    parser.add_argument(
        "--bag-out",
        type=Path,
        metavar="DIR",
        help="write the embeddings, states and segments of each recording as a rosbag2 into here",
    )
    parser.add_argument(
        "--reindex",
        action="store_true",
        help="index anew what another model indexed; its older index is removed at that",
    )


def run(args: argparse.Namespace) -> int:
    """Index, and print what became of the recordings; the status is 1 if some cannot be read.

    Raises:
        CommandError: nothing can be indexed.
        BundleError: the bundle cannot be used.
        BackendError: the model failed.
    """
    bundle = Bundle.load(args.bundle or default_bundle_path())
    if "://" not in args.store:  # workers may run in other folders
        args.store = os.path.abspath(os.path.expanduser(args.store))
    try:
        # made before the workers begin: on an object store no lock keeps these from each other
        Store.open_or_create(args.store).make_space(bundle.space_id, bundle.dimension)
        paths = find_recordings(args.source or _stored_paths(args))
        jobs, unreadable = _jobs(paths, args.topic)
        report = IndexReport(len(jobs) + len(unreadable), named=bool(args.topic))
        for outcome in unreadable:
            report.take(outcome)
        _work(args, jobs, IndexOptions(args.store, str(bundle.root), reindex=args.reindex), report)
        store = Store.open(args.store)
        if report.has_indexed:
            store.compact()
        if args.bag_out:
            _write_bags(store, jobs, args.bag_out)
    except (StoreError, SourceError, BagOutError) as error:
        raise CommandError(str(error)) from error
    return int(report.has_failed)


def _work(
    args: argparse.Namespace,
    jobs: Sequence[RecordingJob],
    options: IndexOptions,
    report: IndexReport,
) -> None:
    try:
        for outcome in _outcomes(args, jobs, options, report):
            report.take(outcome)
    finally:
        report.close()
        for line in report.lines():
            print(line, flush=True)
    other = sum(outcome.fate is Fate.OTHER_SPACE for outcome in report.outcomes)
    if other:
        print(
            f"--reindex indexes these {other} anew with this model; until then no search of it "
            "finds them"
        )


def _outcomes(
    args: argparse.Namespace,
    jobs: Sequence[RecordingJob],
    options: IndexOptions,
    report: IndexReport,
) -> Iterator[Outcome]:
    if args.ray:
        return run_on_ray(jobs, options, args.ray, args.workers)
    workers = min(args.workers or len(os.sched_getaffinity(0)), max(1, len(jobs)))
    if workers == 1:
        return run_here(jobs, options, report.told)
    return run_in_processes(jobs, options, workers, report.told)


def _jobs(
    paths: Sequence[Path], topics: Sequence[str]
) -> tuple[list[RecordingJob], list[Outcome]]:
    """Return what is to be indexed, and the recordings of which not even that can be found."""
    jobs: list[RecordingJob] = []
    unreadable: list[Outcome] = []
    for path in paths:
        try:
            jobs += jobs_of(path, topics)
        except (SourceError, OSError) as error:
            unreadable.append(
                Outcome(RecordingJob(str(path), "", ""), Fate.UNREADABLE, str(error))
            )
    return jobs, unreadable


def _write_bags(store: Store, jobs: Sequence[RecordingJob], folder: Path) -> None:
    wanted = {job.id for job in jobs}
    for recording in store.recordings():
        bag = folder / recording.id
        if recording.id not in wanted:
            continue
        if bag.exists():
            print(f"{bag} is there already, and is left as it is")
            continue
        write_bag(store, recording, bag)
        print(f"{bag}: {recording.path} {recording.topic}".rstrip())


def _stored_paths(args: argparse.Namespace) -> list[str]:
    if not args.reindex:
        raise CommandError("name a video, a folder or a bag (or --reindex what the store holds)")
    return sorted({one.path for one in Store.open(args.store).recordings()})


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number
