# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark: see ``docs/teach-measured.md``.

``python -m benchmarks.teach --real DIR --fetch DIR --work DIR`` teaches with few episodes and
tests with others. Data that is absent is skipped, and said so. Every figure is kept at once in
``results.json`` of the work folder, so that a command that was stopped continues; Ctrl-C or
SIGTERM prints the table of what is there.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.teach.contestants import CONTESTANTS, Trial
from benchmarks.teach.experiment import Result
from benchmarks.teach.report import draw, load, missing, save, table
from benchmarks.teach.rows import SETS, Material, Row, rows
from benchmarks.teach.score import score
from vljepa_ros.model.from_bundle import model_from_bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.method import FitSettings


def main() -> None:
    """Parse the command line, measure, print."""
    args = _arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    file = args.work / "results.json"
    results = load(file) if file.exists() else []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _measure(args, results, file)
    except KeyboardInterrupt:
        print("stopped; the same command continues")
    print(table(results))
    asked = rows(args.sets, args.episodes, args.draws)
    for line in missing(results, asked, args.contestants):
        print(line)
    if args.picture:
        draw(results, args.picture)


def _measure(args: argparse.Namespace, results: list[Result], file: Path) -> None:
    """Add what is missing to the results, and to their file."""
    torch.set_num_threads(args.threads)
    runtime = VLJepa.load(args.bundle, threads=args.threads)
    settings = FitSettings(steps=args.steps, copies=args.copies)
    trial = partial(Trial, model_from_bundle(runtime.bundle), runtime, args.work, settings)
    material = Material(args.real, args.fetch)
    for data in args.sets:
        if cause := material.absent(data):
            print(f"skipped: {data}, for {cause}")
    for row in rows(args.sets, args.episodes, args.draws):
        known = {one.contestant for one in results if _is_of(one, row)}
        names = [name for name in args.contestants if name not in known]
        if not names or material.absent(row.data):
            continue
        for one in _compared(row, names, trial(material.split(row))):
            results.append(one)
            save(results, file)


def _compared(row: Row, names: list[str], trial: Trial) -> Iterator[Result]:
    for name in names:
        began = time.process_time()
        found = score(CONTESTANTS[name](trial), trial.tested_clips, trial.clips_hz)
        print(
            f"{row.data}, {row.episodes} episodes, draw {row.draw}, {name}: "
            f"{100 * found.exact:.1f} ({100 * found.near:.1f}) %, "
            f"{time.process_time() - began:.0f} s of computing",
            flush=True,
        )
        yield Result(row.data, row.episodes, row.draw, name, found)


def _is_of(result: Result, row: Row) -> bool:
    return (result.data, result.episodes, result.draw) == (row.data, row.episodes, row.draw)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="what is taught further; the shipped one")
    parser.add_argument("--real", type=Path, help="folder of the real recordings")
    parser.add_argument("--fetch", type=Path, help="folder of simulated episodes")
    parser.add_argument("--work", type=Path, default=Path("teach_benchmark"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--contestants", nargs="+", choices=tuple(CONTESTANTS))
    parser.add_argument("--episodes", nargs="+", type=int, default=[], help="only these numbers")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--copies", type=int, default=FitSettings.copies)
    parser.add_argument("--steps", type=int, default=FitSettings.steps)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="file to draw: .svg or .png")
    parser.set_defaults(contestants=list(CONTESTANTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
