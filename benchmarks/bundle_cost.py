# SPDX-License-Identifier: Apache-2.0
"""CPU time per embedding of several bundles in turn: one precision beside another.

``scripts/with_env.sh .venv python benchmarks/bundle_cost.py BUNDLE BUNDLE ...`` (after
``make train-venv`` and ``.venv/bin/pip install psutil``) makes the embedder's calls of
``node_cost.py`` on the shipped recording, without nodes, on one thread. Bundles take turns in each
round. It prints medians, and their ratios to the ONNX Runtime calls of the first bundle.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from node_cost import FRAME_ENCODER, LIBRARY, OTHER_GRAPHS, PARTS, PREPROCESSING, library_cost

PACE_S = 0.02  # between frames
CALLS = "ONNX Runtime, both"


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--embeddings", type=int, default=400, help="per measurement")
    args = parser.parse_args()
    spent: dict[Path, list[dict[str, float]]] = {path: [] for path in args.bundles}
    for _ in range(args.rounds):
        for path in args.bundles:
            spent[path].append(library_cost(args.embeddings, path, PACE_S))
    medians = {path: _medians(rounds) for path, rounds in spent.items()}
    first = medians[args.bundles[0]][CALLS]
    for path, of_bundle in medians.items():
        print(path)
        for part, cpu_ms in of_bundle.items():
            print(f"  {part.strip():22} {cpu_ms:8.2f} ms {cpu_ms / first:8.2f}")


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    calls = [one[FRAME_ENCODER] + one[OTHER_GRAPHS] for one in rounds]
    parts = {part: statistics.median(one[part] for one in rounds) for part in PARTS}
    return {
        FRAME_ENCODER: parts[FRAME_ENCODER],
        OTHER_GRAPHS: parts[OTHER_GRAPHS],
        CALLS: statistics.median(calls),
        LIBRARY: parts[LIBRARY],
        PREPROCESSING: parts[PREPROCESSING],
    }


if __name__ == "__main__":
    main()
