# SPDX-License-Identifier: Apache-2.0
"""How fast an index is made: times real time, on one core and two, beside decoding alone.

``scripts/with_env.sh .venv python benchmarks/index_speed.py`` indexes a video that repeats the
shipped recording, after it was decoded alone, in turns, and prints medians and their ratios. Each
run has a store of its own and a process that is bound to its cores; what a process does before its
first image, such as loading the model, does not count. ``--memory MINUTES`` indexes one long video
in one process instead, and prints the memory that it holds as time goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av

from vljepa_ros.index.find_recordings import jobs_of
from vljepa_ros.index.index_job import IndexOptions, loaded_model
from vljepa_ros.index.index_recording import index_recording
from vljepa_ros.index.local_workers import run_in_processes
from vljepa_ros.index.store import Store
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.shipped import shipped

RECORDING = shipped("demo/recording.mp4")
CASES = {"decoding alone": 1, "one core": 1, "two cores": 2}
_SHARE_FILE = "/proc/self/statm"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=2.0, help="length of the video")
    parser.add_argument("--memory", type=float, metavar="MINUTES", help="watch the memory instead")
    parser.add_argument("--bundle", help="folder of the bundle; default: the shipped one")
    parser.add_argument("--case", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(_case(args.case[0], Path(args.case[1]), args.bundle))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.memory:
            _watch_memory(folder, args.memory, args.bundle)
        else:
            _compare(folder, args)


def _compare(folder: Path, args: argparse.Namespace) -> None:
    for number in range(2):
        write_loop(folder / f"{number}.mp4", 60 * args.minutes)
    speeds: dict[str, list[float]] = {case: [] for case in CASES}
    for _ in range(args.rounds):
        for case, found in speeds.items():
            found.append(_in_process(case, folder, args.bundle))
    medians = {case: statistics.median(found) for case, found in speeds.items()}
    print(f"{'':16}{'x real time':>12}{'ratio to one core':>20}")
    for case, speed in medians.items():
        print(f"{case:16}{speed:12.1f}{speed / medians['one core']:20.2f}")


def _in_process(case: str, folder: Path, bundle: str | None) -> float:
    """Return the speed of a case in a process that may use only its cores."""
    cores = sorted(os.sched_getaffinity(0))[: CASES[case]]
    command = [sys.executable, __file__, "--case", case, str(folder)]
    command += ["--bundle", bundle] if bundle else []
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,  # what goes wrong is shown
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return float(done.stdout)


def _case(case: str, folder: Path, bundle: str | None) -> float:
    """Return how many seconds of video a case gets through in a second."""
    videos = sorted(folder.glob("*.mp4"))
    if case == "decoding alone":
        return _decoded(videos[0])
    with tempfile.TemporaryDirectory(dir=folder) as store:
        if case == "one core":
            return _indexed(videos[0], store, bundle)
        return _indexed_by_two(videos, store, bundle)


def _decoded(video: Path) -> float:
    began_s = time.monotonic()
    with open_source(str(video)) as source:
        stamps = [frame.stamp_ns for frame in source.frames()]
    return (stamps[-1] - stamps[0]) / 1e9 / (time.monotonic() - began_s)


def _indexed(video: Path, store: str, bundle: str | None) -> float:
    model = loaded_model(bundle, 1)
    (job,) = jobs_of(video)
    began_s = time.monotonic()
    recording = index_recording(job, Store.open_or_create(store), model, _ignore)
    return recording.duration_s / (time.monotonic() - began_s)


def _indexed_by_two(videos: Sequence[Path], store: str, bundle: str | None) -> float:
    """Count from the first news of a worker: before that it loads."""
    began_s = 0.0

    def told(*_: object) -> None:
        nonlocal began_s
        began_s = began_s or time.monotonic()

    jobs = [job for video in videos for job in jobs_of(video)]
    outcomes = list(run_in_processes(jobs, IndexOptions(store, bundle), 2, told))
    return sum(one.seconds for one in outcomes) / (time.monotonic() - began_s)


def _watch_memory(folder: Path, minutes: float, bundle: str | None) -> None:
    video = write_loop(folder / "long.mp4", 60 * minutes)
    model = loaded_model(bundle, 1)
    (job,) = jobs_of(video)
    next_s = 60.0

    def told(seconds: float) -> None:
        nonlocal next_s
        if seconds >= next_s:
            print(f"{seconds / 60:6.0f} min {resident_mb():8.0f} MB", flush=True)
            next_s *= 1.25

    index_recording(job, Store.open_or_create(folder / "store"), model, told)
    print(f"{minutes:6.0f} min {resident_mb():8.0f} MB, finished")


def resident_mb() -> float:
    """Return the memory that this process holds."""
    with open(_SHARE_FILE) as file:
        return int(file.read().split()[1]) * _PAGE / 1e6


def write_loop(video: Path, seconds: float) -> Path:
    """Write the shipped recording again and again into one video, without encoding it anew."""
    with av.open(str(video), "w") as out:
        stream, length = None, Fraction(0)
        while length < seconds:
            with av.open(str(RECORDING)) as source:
                template = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(template)
                base = template.time_base
                for packet in _packets(source, template):
                    packet.stream = stream
                    packet.pts += round(length / base)
                    packet.dts += round(length / base)
                    out.mux(packet)
            length += Fraction(template.duration) * base
    return video


def _packets(source: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    return (packet for packet in source.demux(stream) if packet.dts is not None)


def _ignore(seconds: float) -> None:
    """Take no note of progress."""


if __name__ == "__main__":
    main()
