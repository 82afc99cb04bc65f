# SPDX-License-Identifier: Apache-2.0
"""What a person is asked to look at first."""

from __future__ import annotations

from vljepa_ros.review.corrections import Correction
from vljepa_ros.review.doubtful import ReviewedLane, most_doubtful
from vljepa_ros.review.reviewed_lane import LaneSegment, with_corrections


def lane(*model: LaneSegment, corrections: tuple[Correction, ...] = ()) -> ReviewedLane:
    shown = with_corrections(model, corrections)
    return ReviewedLane("film", "object", model, corrections, shown)


def texts(*lanes: ReviewedLane) -> list[str]:
    return [one.segment.text for one in most_doubtful(lanes, 10)]


def test_low_scores_come_first() -> None:
    found = lane(LaneSegment(0, 1, "sure", 0.9), LaneSegment(1, 2, "unsure", 0.2))
    assert texts(found) == ["unsure", "sure"]


def test_an_unfamiliar_scene_is_doubtful_whatever_the_score() -> None:
    strange = LaneSegment(0, 1, "strange", 0.9, unfamiliarity=0.995)
    assert texts(lane(strange, LaneSegment(1, 2, "usual", 0.6, 0.9))) == ["strange", "usual"]


def test_a_text_that_was_often_wrong_is_doubtful() -> None:
    model = [LaneSegment(number, number + 1, "wrong", 0.8) for number in range(3)]
    other = LaneSegment(9, 10, "other", 0.7)
    corrections = (Correction(0, 1, "right"), Correction(1, 2, "right"))
    assert texts(lane(*model, other)) == ["other", "wrong", "wrong", "wrong"]
    assert texts(lane(*model, other, corrections=corrections)) == ["wrong", "other"]


def test_a_text_that_was_confirmed_is_not() -> None:
    model = [LaneSegment(0, 1, "right", 0.6), LaneSegment(1, 2, "right", 0.6)]
    found = lane(*model, LaneSegment(2, 3, "other", 0.7), corrections=(Correction(0, 1, "right"),))
    (doubt,) = (one.doubt for one in most_doubtful([found], 9) if one.segment.text == "right")
    assert abs(doubt - 0.4) < 1e-9


def test_many_of_one_text_do_not_hide_the_others() -> None:
    same = [LaneSegment(number, number + 1, "same", 0.2) for number in range(20)]
    assert "other" in texts(lane(*same, LaneSegment(30, 31, "other", 0.5)))


def test_no_more_are_returned_than_asked_for() -> None:
    same = [LaneSegment(number, number + 1, "same", 0.2) for number in range(20)]
    assert len(most_doubtful([lane(*same)], 3)) == 3
