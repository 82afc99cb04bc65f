# SPDX-License-Identifier: Apache-2.0
"""Whether anything grew: the last third of a run against its first third after the start."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from soak.usage import Usage


class Sample(NamedTuple):
    """One interval of a run: what the nodes held at its end, and what came during it.

    Latencies are milliseconds from an image's stamp to the receipt of its last embedding.
    """

    minute: float
    usage: Usage
    images: int
    ticks: int
    p50_ms: float
    p99_ms: float


# How much more the last third may hold than the first: what a healthy allocator drifts by.
_MOST_MORE = {"memory_mib": 8.0, "threads": 0.0, "descriptors": 0.0, "shared_mib": 1.0}
_SLOWER = 1.5  # times the latency of the first third
_FEWEST_TICKS = 0.97  # of those that the first third had in the same time


def complaints(samples: Sequence[Sample]) -> list[str]:
    """Return what grew, slowed down or went missing; nothing if the run was sound."""
    third = max(1, len(samples) // 3)
    first, last = samples[:third], samples[-third:]
    found = []
    for name, allowed in _MOST_MORE.items():
        before, after = (median(getattr(s.usage, name) for s in part) for part in (first, last))
        if after - before > allowed:
            found.append(f"{name} grew from {before:.1f} to {after:.1f}")
    before, after = (median(s.p50_ms for s in part) for part in (first, last))
    if after > _SLOWER * before:
        found.append(f"the median latency grew from {before:.1f} to {after:.1f} ms")
    before, after = (median(s.ticks for s in part) for part in (first, last))
    if after < _FEWEST_TICKS * before:
        found.append(f"ticks fell from {before:.0f} to {after:.0f} per interval")
    return found
