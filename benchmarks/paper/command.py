# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark: see ``docs/paper.md``.

``python -m benchmarks.paper --data DIR --work DIR`` measures all comparisons, those first that say
the most; ``--only`` takes some. Every figure is kept at once in ``results.json`` of the work
folder, and training in checkpoints beside it, so that a command that was stopped continues. Ctrl-C
or SIGTERM prints the tables of what is there and names what is missing.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import torch

from benchmarks.paper import full_size, growth, on_the_stream
from benchmarks.paper.comparisons import COMPARISONS, runs
from benchmarks.paper.material import Material, Scale
from benchmarks.paper.report import draw, missing, tables
from benchmarks.paper.results import Figures, Result, Results
from benchmarks.paper.trained import train
from vljepa_ros.training.stage import PRECISIONS


def main() -> None:
    """Parse the command line, measure, print."""
    args = _arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    results = Results(args.work / "results.json")
    scale = Scale(**{one.name: getattr(args, one.name) for one in fields(Scale)})
    wanted = runs(args.only, args.seeds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _measure_costs(args, results)
        _train_all(args, results, scale, wanted)
    except KeyboardInterrupt:
        print("stopped; the same command continues")
    print(tables(results, args.only))
    for line in missing(results, wanted, scale.clips):
        print(line)
    if args.picture:
        draw(results, args.picture)


def _measure_costs(args: argparse.Namespace, results: Results) -> None:
    costs: Mapping[str, Callable[[], Mapping[str, Figures]]] = {
        "stream": partial(on_the_stream.compare, args.work / "stream"),
        "growth": growth.compare,
        "full-size": partial(full_size.compare, args.work / "full_size"),
    }
    for name in args.only:
        if name in costs and not results.of(name):
            found = costs[name]()
            results.add(Result(name, one, 0, 0, figures) for one, figures in found.items())


def _train_all(
    args: argparse.Namespace,
    results: Results,
    scale: Scale,
    wanted: Sequence[tuple[str, int]],
) -> None:
    """Train what has not seen all its clips, and say how long it will take."""
    torch.set_num_threads(args.threads)
    left = [run for run in wanted if missing(results, [run], scale.clips)]
    if not left:
        return
    material = Material.read(args.data, args.train_split, args.test_split, scale)
    began = time.monotonic()
    for number, (contestant, seed) in enumerate(left, start=1):
        if not train(contestant, seed, material, results, args.work):
            raise KeyboardInterrupt
        hours = (time.monotonic() - began) / 3600
        rest = hours / number * (len(left) - number)
        print(f"{number} of {len(left)} are trained; the others take about {rest:.1f} hours")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(COMPARISONS), default=[*COMPARISONS])
    parser.add_argument("--data", type=Path, default=Path("data"), help="of the default model")
    parser.add_argument("--train-split", default="train_mild", help="of the data, that teaches")
    parser.add_argument("--test-split", default="test", help="of the data, that tests")
    parser.add_argument("--work", type=Path, default=Path("paper_benchmark"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=Scale.steps, help="of each contestant")
    parser.add_argument("--batch", type=int, default=Scale.batch)
    parser.add_argument("--points", type=int, default=Scale.points, help="measured in training")
    parser.add_argument("--episodes", type=int, default=Scale.episodes, help="that teach, at most")
    parser.add_argument("--tested", type=int, default=Scale.tested, help="clips, at most")
    parser.add_argument("--precision", choices=PRECISIONS, default=Scale.precision)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="file to draw: .svg or .png")
    return parser.parse_args()
