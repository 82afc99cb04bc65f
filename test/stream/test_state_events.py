# SPDX-License-Identifier: Apache-2.0
"""The events of queries, and which of two that wait is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.segment import Segment
from vljepa_ros.stream.state_events import (
    MAX_UNANNOUNCED,
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


S = 1_000_000_000


def seen(
    detector: StateEventDetector, stamps: list[float], clip_s: float, *, begin: float | None = None
) -> list[StateEvent]:
    """What an embedder that makes clips of ``clip_s`` leads to, its first clip at ``begin``."""
    events = []
    for stamp in stamps:
        start = stamp - clip_s if begin is None else max(stamp - clip_s, begin)
        event = detector.update(
            "door",
            round(stamp * S),
            OPEN,
            "camera",
            window_start_ns=round(start * S),
            heard_ns=round(stamp * S),
        )
        events += [event] if event else []
    return events


@pytest.mark.parametrize("clip_s", [0.3, 1.4, 8.0])
@pytest.mark.parametrize("hole_s", [1.1, 3600.0])
def test_a_clip_that_begins_after_all_that_was_seen_is_of_another_stream(
    clip_s: float, hole_s: float
) -> None:
    detector = StateEventDetector(CONFIG)
    (first,) = seen(detector, [100.0, 100.1, 100.2], clip_s)
    back = 100.2 + hole_s
    (again,) = seen(detector, [back + clip_s, back + clip_s + 0.1], clip_s, begin=back)
    assert first.decode is not None and again.decode is not None
    assert again.decode.reason is Reason.FIRST
    assert again.decode.since_ns == round((back + clip_s) * S)
    assert spans_of(again) == [(100 * S, round(100.2 * S), 3)]


def test_a_hole_that_the_clip_bridges_is_no_cut() -> None:
    detector = StateEventDetector(CONFIG)
    assert len(seen(detector, [100.0, 100.1, 100.9, 101.0], clip_s=1.4)) == 1


def test_a_camera_slower_than_the_clip_is_one_stream() -> None:
    """Its clips hold a single image, so each begins after the one before."""
    detector = StateEventDetector(CONFIG, silence_s=3.0)
    assert len(seen(detector, [100.0, 102.0, 104.1, 106.0], clip_s=0.0)) == 1


def test_a_memory_that_begins_anew_is_of_another_stream_from_its_first_frame_on() -> None:
    """Such a clip holds its first frame alone; clips before looked back further."""
    detector = StateEventDetector(CONFIG, silence_s=3.0)
    assert len(seen(detector, [100.0, 100.2, 100.4], 4.8, begin=100.0)) == 1
    (again,) = seen(detector, [101.0, 101.2], 4.8, begin=101.0)
    assert again.decode is not None and again.decode.reason is Reason.FIRST
    assert again.decode.since_ns == 101 * S
    assert len(seen(detector, [101.6], 4.8, begin=101.6)) == 1


@pytest.mark.parametrize(("silence_s", "events"), [(3.0, 2), (0.0, 1)])
def test_a_hole_longer_than_the_silence_is_a_cut_whatever_the_clip_says(
    silence_s: float, events: int
) -> None:
    detector = StateEventDetector(CONFIG, silence_s=silence_s)
    assert len(seen(detector, [100.0, 100.1, 103.2], clip_s=0.0)) == events


def test_a_stamp_that_jumps_back_begins_anew_once() -> None:
    detector = StateEventDetector(CONFIG, silence_s=3.0)
    assert len(seen(detector, [100.0, 100.1, 20.0, 20.1], clip_s=1.4)) == 2


def test_a_silent_query_ends_alone_and_once() -> None:
    detector = StateEventDetector(CONFIG, silence_s=2.0)
    detector.update("door", 1, OPEN, "front", heard_ns=0)
    detector.update("light", 1, DARK, "front", heard_ns=1 * S)
    assert detector.end_silent(2 * S) == []
    (lost,) = detector.end_silent(2 * S + 1)
    assert (lost.query, lost.decode, lost.stamp_ns, lost.frame_id) == ("door", None, 1, "front")
    assert spans_of(lost) == [(1, 1, 1)]
    assert detector.end_silent(3 * S) == []
    again = detector.update("door", 2, OPEN, "front", heard_ns=3 * S)
    assert again is not None and again.decode is not None
    assert again.decode.reason is Reason.FIRST
    detector.silence_s = 0.0
    assert detector.end_silent(3600 * S) == []


def test_a_stamp_that_comes_again_and_again_is_silence() -> None:
    detector = StateEventDetector(CONFIG, silence_s=2.0)
    for second in range(5):
        detector.update("door", 1, OPEN, "front", heard_ns=second * S)
    assert len(detector.end_silent(4 * S)) == 1


def test_a_clock_that_was_set_back_delays_no_silence() -> None:
    detector = StateEventDetector(CONFIG, silence_s=2.0)
    detector.update("door", 1, OPEN, "front", heard_ns=3600 * S)
    assert detector.end_silent(10 * S) == []
    assert len(detector.end_silent(12 * S + 1)) == 1


def test_only_what_is_asked_is_taken() -> None:
    detector = StateEventDetector(CONFIG)
    detector.keep_only({"door": "Is it open?"})
    assert detector.is_asked("door")
    assert not detector.is_asked("light")
    with pytest.raises(NothingToDescribeError, match="'light' is not asked"):
        detector.force("light")
    with pytest.raises(NothingToDescribeError, match="no embedding of query 'door' yet"):
        detector.force("door")


def test_before_it_is_known_what_is_asked_few_names_are_taken() -> None:
    detector = StateEventDetector(CONFIG, silence_s=1.0)
    assert not detector.is_asked("x" * 65)
    for number in range(MAX_UNANNOUNCED):
        assert detector.admit(f"q{number}")
        detector.update(f"q{number}", 1, OPEN, "camera")
    assert detector.admit("q0") and not detector.admit("one more")
    detector.end_silent(9 * S)
    assert not detector.admit("one more"), "a silent name has been taken, too"
    detector.keep_only({"q0": "Is it open?"})
    assert detector.admit("q0") and not detector.admit("q1")


def test_the_end_of_a_query_is_told_although_its_stream_had_ended() -> None:
    detector = StateEventDetector(CONFIG)
    detector.keep_only({"door": "Is it open?"})
    detector.update("door", 1, OPEN, "camera")
    detector.finish()
    assert [(one.query, one.decode) for one in detector.keep_only({})] == [("door", None)]
    assert detector.keep_only({}) == []
