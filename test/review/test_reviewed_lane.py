# SPDX-License-Identifier: Apache-2.0
"""Corrections lie over the model's segments, which keep what is not covered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.review.corrections import Correction
from vljepa_ros.review.reviewed_lane import LaneSegment, with_corrections

MODEL = [LaneSegment(0, 4, "red", 0.9), LaneSegment(4, 6, "green", 0.5)]


def shown(*corrections: Correction) -> list[tuple[float, float, str, bool]]:
    lane = with_corrections(MODEL, corrections)
    return [(one.start, one.end, one.text, one.corrected) for one in lane]


def test_without_corrections_the_model_s_segments_are_shown() -> None:
    assert with_corrections(MODEL, []) == MODEL


def test_a_correction_covers_a_whole_segment() -> None:
    assert shown(Correction(0, 4, "blue")) == [(0, 4, "blue", True), (4, 6, "green", False)]


def test_what_is_not_covered_keeps_its_text_and_score() -> None:
    lane = with_corrections(MODEL, [Correction(1, 2, "a"), Correction(3, 5, "")])
    assert [(one.start, one.end, one.text) for one in lane] == [
        (0, 1, "red"),
        (1, 2, "a"),
        (2, 3, "red"),
        (3, 5, ""),
        (5, 6, "green"),
    ]
    assert [one.score for one in lane] == [0.9, None, 0.9, None, 0.5]


def test_no_sliver_is_left_beside_a_rounded_time() -> None:
    assert shown(Correction(0, 3.9999, "blue")) == [
        (0, 3.9999, "blue", True),
        (4, 6, "green", False),
    ]


def test_corrections_may_lie_outside_of_all_segments() -> None:
    assert shown(Correction(7, 8, "late"))[-1] == (7, 8, "late", True)


def spans(cuts: list[int]) -> list[tuple[int, int]]:
    ordered = sorted(set(cuts))
    return list(zip(ordered[::2], ordered[1::2], strict=False))


@given(st.lists(st.integers(0, 60)), st.lists(st.integers(0, 60)))
def test_every_moment_shows_its_correction_or_else_the_model_s_text(
    said: list[int], corrected: list[int]
) -> None:
    model = [LaneSegment(start, end, f"model {start}") for start, end in spans(said)]
    right = [Correction(start, end, f"person {start}") for start, end in spans(corrected)]
    lane = with_corrections(model, right)
    for moment in range(60):
        time = moment + 0.5
        expected = [one.label for one in right if one.start <= time < one.end] or [
            one.text for one in model if one.start <= time < one.end
        ]
        assert [one.text for one in lane if one.start <= time < one.end] == expected
