# SPDX-License-Identifier: Apache-2.0
"""The events of queries, and which of two that wait is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.segment import Segment
from vljepa_ros.stream.state_events import (
    NothingToDescribeError,
    StateEvent,
    StateEventDetector,
)

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)
CONFIG = ChangeConfig(evidence_s=0.02, confirmations=1, min_gap_s=0.0)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (Reason.FIRST, Reason.CHANGE, Reason.FIRST),
        (Reason.CHANGE, Reason.REFRESH, Reason.CHANGE),
        (Reason.REFRESH, Reason.CHANGE, Reason.CHANGE),
        (Reason.CHANGE, Reason.FIRST, Reason.FIRST),
    ],
)
def test_the_newest_event_is_decoded_for_the_more_important_reason(
    old: Reason, new: Reason, reason: Reason
) -> None:
    waiting = StateEvent("", "door", "old camera", Decode(15, 10, old, 0.5, OPEN))
    newer = StateEvent("", "door", "camera", Decode(25, 20, new, 0.5, CLOSED))
    event = waiting.merged(newer)
    assert event.decode is not None
    assert (event.decode.reason, event.decode.since_ns, event.frame_id) == (reason, 20, "camera")
    assert event.decode.embedding is CLOSED


def segment(start: int, end: int) -> Segment:
    return Segment(start, end, OPEN.astype(np.float64), end - start)


def event(reason: Reason | None, *, ended: Segment | None = None) -> StateEvent:
    """An event as the detector makes it: what ends with a stream is of the stream before."""
    if reason in (None, Reason.FIRST):
        decode = None if reason is None else Decode(0, 0, reason, 0.5, OPEN)
        return StateEvent("", "door", "camera", decode, (ended,) if ended else ())
    return StateEvent("", "door", "camera", Decode(0, 0, reason, 0.5, OPEN, ended))


def test_no_segment_is_lost_when_an_event_takes_anothers_place() -> None:
    waiting = event(Reason.CHANGE, ended=segment(0, 10))
    waiting = waiting.merged(event(Reason.CHANGE, ended=segment(10, 20)))
    assert spans(waiting) == ([], (0, 20))
    waiting = waiting.merged(event(Reason.FIRST, ended=segment(20, 25)))
    assert spans(waiting) == ([(0, 25)], None)
    waiting = waiting.merged(event(Reason.CHANGE, ended=segment(5, 9)))
    assert spans(waiting) == ([(0, 25)], (5, 9))
    waiting = waiting.merged(event(None, ended=segment(9, 12)))
    assert spans(waiting) == ([(0, 25), (5, 12)], None)
    assert waiting.decode is None
    waiting = waiting.merged(first := event(Reason.FIRST))
    assert spans(waiting) == ([(0, 25), (5, 12)], None)
    assert waiting.decode is first.decode


def spans(event: StateEvent) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """When the segments of ended streams, and of the stream that lasts, began and ended."""
    ended = event.decode.ended if event.decode else None
    for it in (*event.ended_streams, *([ended] if ended else [])):
        assert it.samples == it.end_ns - it.start_ns
    return (
        [(it.start_ns, it.end_ns) for it in event.ended_streams],
        (ended.start_ns, ended.end_ns) if ended else None,
    )


def test_streams_that_end_hand_over_what_was_left() -> None:
    detector = StateEventDetector(CONFIG)
    for query, vector in (("door", OPEN), ("light", DARK)):
        detector.update(query, 1, vector, "camera")
        detector.update(query, 2, vector, "camera")
    detector.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    (light,) = detector.keep_only({"door": "Is it open?"})
    (door,) = detector.finish()
    assert (light.query, light.decode, spans_of(light)) == ("light", None, [(1, 2, 2)])
    assert (door.query, door.decode, spans_of(door)) == ("door", None, [(1, 2, 2)])
    assert detector.finish() == []


def spans_of(event: StateEvent) -> list[tuple[int, int, int]]:
    return [(it.start_ns, it.end_ns, it.samples) for it in event.ended_streams]


def test_queries_that_are_gone_or_ask_something_else_are_forgotten() -> None:
    detector = StateEventDetector(CONFIG)
    detector.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    for query, vector in (("door", OPEN), ("light", DARK)):
        assert detector.update(query, 1, vector, "camera") is not None
    detector.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    assert detector.update("door", 2, OPEN, "camera") is None
    detector.keep_only({"door": "Is it closed?"})
    with pytest.raises(NothingToDescribeError, match="none so far"):
        detector.force("light")
    again = detector.update("door", 3, OPEN, "camera")
    assert again is not None and again.decode.reason is Reason.FIRST
