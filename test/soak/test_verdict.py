# SPDX-License-Identifier: Apache-2.0
"""What the soak run calls sound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soak.usage import Usage
from soak.verdict import Sample, complaints

SOUND = [
    Sample(minute, Usage(290.0 + 0.01 * minute, 20, 28, 100.0), 1800, 600, 20.0, 30.0)
    for minute in range(30)
]


def test_a_run_in_which_nothing_grows_is_sound() -> None:
    assert complaints(SOUND) == []


@pytest.mark.parametrize(
    ("held", "grown"),
    [("memory_mib", 300.0), ("threads", 21), ("descriptors", 29), ("shared_mib", 117.0)],
)
def test_what_is_held_at_the_end_only_has_grown(held: str, grown: float) -> None:
    late = [s._replace(usage=replace(s.usage, **{held: grown})) for s in SOUND[15:]]
    (complaint,) = complaints([*SOUND[:15], *late])
    assert complaint.startswith(f"{held} grew")


def test_a_slower_or_missing_stream_is_named() -> None:
    late = [sample._replace(p50_ms=40.0, ticks=500) for sample in SOUND[15:]]
    slower, missing = complaints([*SOUND[:15], *late])
    assert "20.0 to 40.0 ms" in slower
    assert "600 to 500" in missing


def test_a_peak_in_between_is_no_growth() -> None:
    peak = [s._replace(usage=replace(s.usage, memory_mib=400.0)) for s in SOUND[12:14]]
    assert complaints([*SOUND[:12], *peak, *SOUND[14:]]) == []
