# SPDX-License-Identifier: Apache-2.0
"""Run the benchmark: see ``docs/selective-decoding.md``.

``scripts/with_env.sh .venv python -m benchmarks.selective_decoding --data data`` after
``make train-venv`` and ``python -m vljepa_ros.recipes.default_model.make_data``; pictures also
want ``.venv/bin/pip install matplotlib``. The first run embeds 88 600 clips.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.selective_decoding.ablation import ablate
from benchmarks.selective_decoding.experiment import SETS, run
from benchmarks.selective_decoding.outputs import READINGS
from benchmarks.selective_decoding.report import as_data, lines
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.runtime.model import VLJepa


def main() -> None:
    """Parse the command line, measure, print."""
    args = _arguments()
    model = VLJepa.load(args.bundle, threads=args.threads)
    if args.ablate:
        for streams in SETS:
            print("\n".join(ablate(streams, args.data, model, args.query)))
        return
    sets = [replace(one, measured_on=one.tuned_on) if args.validation else one for one in SETS]
    print("Readings:", *(f"{name}: {meaning}." for name, meaning in READINGS.items()), sep="\n  ")
    results = []
    for streams in sets:
        results.append(run(streams, args.data, model, args.query))
        print("\n".join(lines(results[-1])), flush=True)
    if args.json:
        figures = {one.name: as_data(one) for one in results}
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if args.picture:
        from benchmarks.selective_decoding.picture import draw  # matplotlib is not for everybody

        draw(results, args.picture)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.selective_decoding",
        description="Quality against decodes per second, by the paper's measure.",
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--bundle", type=Path, help="default: the shipped bundle")
    parser.add_argument("--query", choices=QUERY_NAMES, default=QUERY_NAMES[0])
    parser.add_argument("--threads", type=int, default=2, help="of the graphs")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--picture", type=Path, help="also draw them (.svg, .png)")
    parser.add_argument(
        "--validation", action="store_true", help="measure on the streams that knobs are set on"
    )
    parser.add_argument(
        "--ablate", action="store_true", help="compare causal rules on the validation streams"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
