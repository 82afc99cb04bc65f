# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark: see ``docs/teach-measured.md``.

``python -m benchmarks.teach --real DIR --fetch DIR --work DIR`` teaches with few episodes and
tests with others. Data that is absent is skipped, and said so. Everything that was measured is
kept in ``DIR/results.json`` of the work folder, so that a command that was stopped continues.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch

from benchmarks.teach.contestants import CONTESTANTS, Trial
from benchmarks.teach.datasets import droid, fetch, franka_lab, g1_phases
from benchmarks.teach.experiment import Result, Split, compare, draws, folds
from benchmarks.teach.report import draw, load, save, table
from vljepa_ros.model.from_bundle import model_from_bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.method import FitSettings
from vljepa_ros.teaching.taught_recording import Lessons

G1, FRANKA, DROID, FETCH = "G1", "Franka lab", "DROID", "Fetch, simulated"
TESTED = {G1: 12, FRANKA: 4, FETCH: 15}
EPISODES = {G1: (1, 3, 5, 10, 18), FRANKA: (1, 3, 5, 9), FETCH: (5, 20, 60, 200)}


def main() -> None:
    """Parse the command line, measure, print."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    runtime = VLJepa.load(args.bundle, threads=args.threads)
    settings = FitSettings(steps=args.steps, copies=args.copies)
    make = partial(_trial, model_from_bundle(runtime.bundle), runtime, args.work, settings)
    file = args.work / "results.json"
    args.work.mkdir(parents=True, exist_ok=True)
    results = load(file) if file.exists() else []
    for data in args.sets:
        if (lessons := _lessons(data, args)) is None:
            continue
        for episodes, splits in _plans(data, lessons, args.draws, args.episodes):
            names = [
                name for name in args.contestants if not _known(results, data, episodes, name)
            ]
            if names:
                results += compare(data, episodes, splits, names, make)
                save(results, file)
    print(table(results))
    if args.picture:
        draw(results, args.picture)


def _trial(model, runtime, work: Path, settings: FitSettings, split: Split) -> Trial:  # type: ignore[no-untyped-def]
    return Trial(model, runtime, *split, work, settings)


def _known(results: list[Result], data: str, episodes: int, name: str) -> bool:
    asked = (data, episodes, name)
    return any((one.data, one.episodes, one.contestant) == asked for one in results)


def _plans(
    data: str, lessons: Lessons, count: int, only: list[int]
) -> list[tuple[int, list[Split]]]:
    """Return the numbers of taught episodes, and the splits of each."""
    if data == DROID:
        splits = list(folds(lessons, count))
        return [(len(splits[0][0].recordings), splits)]
    tested = TESTED[data]
    most = len(lessons.recordings) - tested
    numbers = [n for n in EPISODES[data] if n <= most and (not only or n in only)]
    return [(n, list(draws(lessons, n, tested, count))) for n in numbers]


def _lessons(data: str, args: argparse.Namespace) -> Lessons | None:
    """Return a data set, or None if it is absent."""
    readers: dict[str, Callable[[], Lessons]] = {
        G1: lambda: g1_phases(args.real),
        FRANKA: lambda: franka_lab(args.real),
        DROID: lambda: droid(args.real),
        FETCH: lambda: fetch(args.fetch, args.fetch_episodes),
    }
    folder = args.fetch if data == FETCH else args.real
    if folder is None or (data != FETCH and not folder.is_dir()):
        print(f"skipped: {data}, for there is no folder {folder} (--real, --fetch)")
        return None
    return readers[data]()


@cache
def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="what is taught further; the shipped one")
    parser.add_argument("--real", type=Path, help="folder of the real recordings")
    parser.add_argument("--fetch", type=Path, help="folder of simulated episodes")
    parser.add_argument("--fetch-episodes", type=int, default=215, help="render up to that many")
    parser.add_argument("--work", type=Path, default=Path("teach_benchmark"))
    parser.add_argument("--sets", nargs="+", choices=(G1, FRANKA, DROID, FETCH))
    parser.add_argument("--contestants", nargs="+", choices=tuple(CONTESTANTS))
    parser.add_argument("--episodes", nargs="+", type=int, default=[], help="only these numbers")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--copies", type=int, default=FitSettings.copies)
    parser.add_argument("--steps", type=int, default=FitSettings.steps)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="file to draw: .svg or .png")
    parser.set_defaults(sets=[G1, FRANKA, DROID, FETCH], contestants=list(CONTESTANTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
