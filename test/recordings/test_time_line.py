# SPDX-License-Identifier: Apache-2.0
"""Stamps come onto one line without steps back and long waits, and every mend is counted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vljepa_ros.recordings.time_line import (
    BRIDGE_NS,
    JUMPED,
    LONGEST_GAP_NS,
    STEPPED_BACK,
    TimeLine,
)

MS, S, HOUR = 1_000_000, 1_000_000_000, 3_600_000_000_000
IN_2023 = 1_700_000_000 * S


def placed(stamps: list[int]) -> tuple[list[int], Counter[str]]:
    """Return the offsets on the line from the first image, and what was counted."""
    problems: Counter[str] = Counter()
    line = TimeLine(problems)
    on_line = [line.place(stamp) for stamp in stamps]
    return [stamp - on_line[0] for stamp in on_line], problems


def test_a_steady_recording_keeps_its_stamps() -> None:
    stamps = [IN_2023 + n * 33 * MS for n in range(50)]
    problems: Counter[str] = Counter()
    line = TimeLine(problems)
    assert [line.place(stamp) for stamp in stamps] == stamps
    assert not problems


def test_a_clock_that_was_set_after_the_start_is_bridged() -> None:
    """A robot without network time: some images of 1970, the others of 2023."""
    stamps = [60 * S, 60 * S + 100 * MS, IN_2023, IN_2023 + 100 * MS]
    offsets, problems = placed(stamps)
    assert offsets == [0, 100 * MS, 100 * MS + BRIDGE_NS, 200 * MS + BRIDGE_NS]
    assert problems == {JUMPED: 1}


def test_one_stamp_an_hour_ahead_costs_one_bridge() -> None:
    stamps = [0, 100 * MS, HOUR, 300 * MS, 400 * MS]
    offsets, problems = placed(stamps)
    after = 100 * MS + BRIDGE_NS
    assert offsets == [0, 100 * MS, after, after + 100 * MS, after + 200 * MS]
    assert problems == {JUMPED: 1, STEPPED_BACK: 1}


@pytest.mark.parametrize(("jump_ns", "mended"), [(3 * HOUR, JUMPED), (-3 * HOUR, STEPPED_BACK)])
def test_joined_parts_follow_each_other(jump_ns: int, mended: str) -> None:
    stamps = [5 * HOUR + n * 40 * MS + (jump_ns if n >= 5 else 0) for n in range(10)]
    offsets, problems = placed(stamps)
    steps = [after - before for before, after in pairwise(offsets)]
    assert problems == {mended: 1}
    assert steps[:4] + steps[5:] == [40 * MS] * 8
    assert steps[4] == (BRIDGE_NS if mended == JUMPED else 40 * MS)


def test_a_gap_that_can_be_waited_for_stays() -> None:
    offsets, problems = placed([0, LONGEST_GAP_NS, 2 * LONGEST_GAP_NS])
    assert offsets == [0, LONGEST_GAP_NS, 2 * LONGEST_GAP_NS]
    assert not problems


def test_equal_stamps_stay_equal() -> None:
    assert placed([7, 7, 7]) == ([0, 0, 0], Counter())


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=30))
def test_whatever_comes_the_line_never_goes_back_and_never_waits_long(stamps: list[int]) -> None:
    offsets, problems = placed(stamps)
    steps = [after - before for before, after in pairwise(offsets)]
    assert all(0 <= step <= LONGEST_GAP_NS for step in steps)
    told = [b - a for a, b in pairwise(stamps) if not 0 <= b - a <= LONGEST_GAP_NS]
    assert problems.total() == len(told)
