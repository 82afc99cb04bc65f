# SPDX-License-Identifier: Apache-2.0
"""How the cost of the shipped bundle grows with the number of cameras and of queries."""

from __future__ import annotations

from functools import partial

from benchmarks.paper.costs import Contestant, costs
from benchmarks.paper.on_the_stream import QUESTIONS, ours
from benchmarks.paper.results import Figures

CAMERAS = (1, 2, 4, 8)
QUERIES = (1, 2, 4, 8, 16, 32)
ROUNDS = 5
_RUNS = 10


def compare() -> dict[str, Figures]:
    """Return the cost of a tick for each number, on one thread."""
    by_cameras = {
        f"cameras: {n}, {QUESTIONS} queries": Contestant(partial(ours, n), n * QUESTIONS, _RUNS)
        for n in CAMERAS
    }
    by_queries = {
        f"one camera, queries: {n}": Contestant(partial(ours, 1, n), n, _RUNS) for n in QUERIES
    }
    return costs({**by_cameras, **by_queries}, ROUNDS)
