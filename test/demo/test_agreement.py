# SPDX-License-Identifier: Apache-2.0
"""Agreement with ground truth, against counts made by hand."""

from __future__ import annotations

import pytest

from vljepa_ros.demo.agreement import agreement
from vljepa_ros.views.timeline import TimelineSegment

TRUTH = [TimelineSegment(0.0, 1.0, "a"), TimelineSegment(1.0, 2.0, "b")]


def test_a_perfect_run_is_all_right() -> None:
    one = agreement(TRUTH, [(0.0, "a"), (1.0, "b")], 10.0, 0.0, 1.9)
    assert (one.exact, one.tolerant, one.ticks) == (1.0, 1.0, 20)


def test_a_late_change_costs_its_frames_and_two_are_forgiven() -> None:
    one = agreement(TRUTH, [(0.0, "a"), (1.3, "b")], 10.0, 0.0, 1.9)
    assert one.exact == pytest.approx(17 / 20)
    assert one.tolerant == pytest.approx(19 / 20)


def test_an_early_change_is_forgiven_too() -> None:
    one = agreement(TRUTH, [(0.0, "a"), (0.8, "b")], 10.0, 0.0, 1.9)
    assert one.exact == pytest.approx(18 / 20)
    assert one.tolerant == 1.0


def test_frames_before_the_first_state_are_wrong() -> None:
    one = agreement(TRUTH, [(0.5, "a"), (1.0, "b")], 10.0, 0.0, 1.9)
    assert one.exact == pytest.approx(15 / 20)
    assert one.tolerant == pytest.approx(15 / 20)


def test_only_the_time_that_was_seen_counts() -> None:
    one = agreement(TRUTH, [(0.5, "a")], 10.0, 0.5, 0.9)
    assert (one.exact, one.ticks) == (1.0, 5)


def test_frames_without_a_label_do_not_count() -> None:
    gap = [TimelineSegment(0.0, 0.5, "a"), TimelineSegment(1.5, 2.0, "a")]
    assert agreement(gap, [(0.0, "a")], 10.0, 0.0, 1.9).ticks == 10


def test_a_text_that_is_never_true_is_never_right() -> None:
    one = agreement(TRUTH, [(0.0, "c")], 10.0, 0.0, 1.9)
    assert (one.exact, one.tolerant) == (0.0, 0.0)


def test_no_states_and_no_truth_are_no_error() -> None:
    assert agreement(TRUTH, [], 10.0, 0.0, 1.9).exact == 0.0
    assert agreement([], [(0.0, "a")], 10.0, 0.0, 1.9).ticks == 0


@pytest.mark.parametrize("rate_hz", [3.0, 7.3, 10.0, 20.0, 29.97])
def test_every_label_frame_belongs_to_one_segment(rate_hz: float) -> None:
    """Edges that fall on frames must neither lose nor share a frame."""
    edges = [round(index / rate_hz, 6) for index in range(0, 200, 7)]
    truth = [TimelineSegment(edges[i], edges[i + 1], str(i)) for i in range(len(edges) - 1)]
    states = [(segment.start, segment.text) for segment in truth]
    one = agreement(truth, states, rate_hz, 0.0, edges[-1] - 1 / rate_hz)
    assert one.exact == 1.0
    assert one.ticks == 196
