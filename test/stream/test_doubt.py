# SPDX-License-Identifier: Apache-2.0
"""Streams come to be in doubt and get out of it, and lose nothing that was familiar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vljepa_ros.stream.change import ChangeConfig, Reason
from vljepa_ros.stream.doubt import MARK, SILENT, SPEAK, Claim, DoubtConfig
from vljepa_ros.stream.image_faults import ImageFault
from vljepa_ros.stream.state_events import StateEvent, StateEventDetector

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)
TENTH = 100_000_000
CONFIG = DoubtConfig(after_s=0.3, back_after_s=0.2)
FAMILIAR, STRANGE = 0.5, 1.0


class Stream:
    """Feeds one query, ten clips in a second, and keeps the events."""

    def __init__(self, config: DoubtConfig = CONFIG) -> None:
        change = ChangeConfig(evidence_s=0.02, confirmations=1, min_gap_s=0.0)
        self.detector = StateEventDetector(change, doubt=config)
        self.events: list[StateEvent] = []
        self.tenth = 0

    def see(
        self,
        vector: np.ndarray,
        times: int,
        unfamiliarity: float = FAMILIAR,
        fault: ImageFault = ImageFault.NO_FAULT,
        window_start: int = 0,
    ) -> None:
        for _ in range(times):
            event = self.detector.update(
                "door",
                self.tenth * TENTH,
                vector,
                "front",
                window_start_ns=window_start * TENTH,
                unfamiliarity=unfamiliarity,
                image_fault=fault,
            )
            self.events += [event] if event else []
            self.tenth += 1

    @property
    def told(self) -> list[tuple[Reason | None, int, int]]:
        """Reason, beginning and time of each event, in tenths of a second."""
        return [told(event) for event in self.events]


def told(event: StateEvent) -> tuple[Reason | None, int, int]:
    decode = event.decode
    since = decode.since_ns if decode else event.stamp_ns
    return (decode.reason if decode else None, since // TENTH, event.stamp_ns // TENTH)


def spans(events: Sequence[StateEvent]) -> list[tuple[int, int, int]]:
    """The segments that are final: start, end, samples."""
    found = []
    for event in events:
        parts = (*event.ended_streams, *([event.decode.ended] if event.decode else []))
        found += [(p.start_ns // TENTH, p.end_ns // TENTH, p.samples) for p in parts if p]
    return found


def test_a_stream_that_looks_strange_is_told_once_and_nothing_is_claimed() -> None:
    stream = Stream()
    stream.see(OPEN, 5)
    stream.see(CLOSED, 10, STRANGE)
    stream.see(OPEN, 5)
    assert stream.told == [
        (Reason.FIRST, 0, 0),
        (Reason.UNFAMILIAR, 5, 8),
        (Reason.FIRST, 15, 17),
    ]
    assert [event.claim for event in stream.events] == [Claim.SPOKEN, Claim.NONE, Claim.SPOKEN]
    assert spans([*stream.events, *stream.detector.finish()]) == [(0, 5, 5), (15, 19, 5)]


def test_a_stream_that_begins_strange_says_no_word_first() -> None:
    stream = Stream()
    stream.see(OPEN, 10, STRANGE)
    assert stream.told == [(Reason.UNFAMILIAR, 0, 3)]


def test_a_few_strange_clips_cost_a_delay_and_lose_nothing() -> None:
    stream = Stream()
    stream.see(OPEN, 5)
    stream.see(CLOSED, 2, STRANGE)
    assert stream.told == [(Reason.FIRST, 0, 0)]
    stream.see(CLOSED, 3)
    assert stream.told[1:] == [(Reason.CHANGE, 5, 7)]
    found = spans([*stream.events, *stream.detector.finish()])
    assert found == [(0, 5, 5), (5, 9, 5)]


def test_words_are_marked_if_that_is_wanted() -> None:
    stream = Stream(replace(CONFIG, when=MARK))
    stream.see(OPEN, 5)
    stream.see(CLOSED, 5, STRANGE)
    stream.see(DARK, 5, STRANGE)
    stream.see(OPEN, 5)
    assert [(event.claim, told(event)) for event in stream.events] == [
        (Claim.SPOKEN, (Reason.FIRST, 0, 0)),
        (Claim.MARKED, (Reason.FIRST, 5, 8)),
        (Claim.MARKED, (Reason.CHANGE, 10, 10)),
        (Claim.SPOKEN, (Reason.FIRST, 15, 17)),
    ]
    found = spans([*stream.events, *stream.detector.finish()])
    assert found == [(0, 5, 5), (5, 10, 5), (10, 15, 5), (15, 19, 5)]


def test_words_are_spoken_as_ever_if_that_is_wanted() -> None:
    stream = Stream(replace(CONFIG, when=SPEAK))
    stream.see(OPEN, 5, STRANGE)
    stream.see(CLOSED, 5, STRANGE, ImageFault.UNDEREXPOSED)
    assert stream.told == [(Reason.FIRST, 0, 0), (Reason.CHANGE, 5, 5)]
    assert {event.claim for event in stream.events} == {Claim.SPOKEN}
    assert stream.events[1].image_fault is ImageFault.UNDEREXPOSED
    assert stream.detector.doubt() is not None, "it is reported all the same"


def test_what_is_done_can_be_changed_in_the_middle_of_a_doubt() -> None:
    stream = Stream()
    stream.see(OPEN, 10, STRANGE)
    stream.detector.set_doubt(replace(CONFIG, when=SPEAK))
    stream.see(OPEN, 2, STRANGE)
    stream.detector.set_doubt(CONFIG)
    stream.see(OPEN, 2, STRANGE)
    assert [reason for reason, _, _ in stream.told] == [
        Reason.UNFAMILIAR,
        Reason.FIRST,
        Reason.UNFAMILIAR,
    ]


def test_without_statistics_only_the_images_can_be_at_fault() -> None:
    stream = Stream()
    stream.see(OPEN, 10, math.nan)
    stream.see(OPEN, 10, math.nan, ImageFault.COVERED)
    assert stream.told == [(Reason.FIRST, 0, 0), (Reason.UNFAMILIAR, 10, 13)]
    assert stream.events[1].image_fault is ImageFault.COVERED


def test_another_cause_is_told_once_it_has_lasted() -> None:
    stream = Stream()
    stream.see(OPEN, 6, STRANGE)
    assert stream.detector.doubt() == (ImageFault.NO_FAULT, pytest.approx(0.5))
    stream.see(OPEN, 2, STRANGE, ImageFault.COVERED)
    stream.see(OPEN, 2, STRANGE)
    stream.see(OPEN, 9, STRANGE, ImageFault.COVERED)
    faults = [event.image_fault for event in stream.events]
    assert faults == [ImageFault.NO_FAULT, ImageFault.COVERED]
    assert stream.detector.doubt() == (ImageFault.COVERED, pytest.approx(1.8))
    stream.see(OPEN, 5)
    assert stream.detector.doubt() is None


def test_a_cut_forgets_the_doubt_and_what_waits() -> None:
    stream = Stream()
    stream.see(OPEN, 5)
    stream.see(CLOSED, 2, STRANGE)
    stream.tenth += 50
    stream.see(OPEN, 2, window_start=stream.tenth - 1)
    assert stream.told == [(Reason.FIRST, 0, 0), (Reason.FIRST, 57, 57)]
    assert spans(stream.events) == [(0, 4, 5)]


def test_who_asks_in_a_doubt_gets_no_words() -> None:
    stream = Stream()
    stream.see(OPEN, 1, STRANGE)
    early = stream.detector.force("door")
    assert (early.claim, told(early)) == (Claim.NONE, (Reason.FORCED, 0, 0))
    stream.see(OPEN, 9, STRANGE, ImageFault.COVERED)
    late = stream.detector.force("door")
    assert (late.claim, told(late)) == (Claim.NONE, (Reason.FORCED, 0, 9))
    assert late.image_fault is ImageFault.COVERED and late.decode is not None
    assert late.decode.unfamiliarity == STRANGE


def test_means_of_unfamiliarity_are_over_what_is_described() -> None:
    stream = Stream(DoubtConfig(threshold=1.0, when=SILENT))
    stream.see(OPEN, 2, 0.2)
    stream.see(OPEN, 2, 0.4)
    stream.see(CLOSED, 2, 0.9)
    (_, change) = stream.events
    assert change.decode is not None and change.decode.ended is not None
    assert change.decode.unfamiliarity == pytest.approx(0.9)
    assert change.decode.ended.unfamiliarity == pytest.approx(0.3)


def test_an_end_after_a_doubt_has_no_segment() -> None:
    stream = Stream()
    stream.see(OPEN, 10, STRANGE)
    (end,) = stream.detector.finish()
    assert (end.decode, end.ended_streams, end.stamp_ns) == (None, (), 9 * TENTH)


def test_a_doubt_that_waits_keeps_the_segments_before_it() -> None:
    stream = Stream()
    stream.see(OPEN, 5)
    stream.see(CLOSED, 4, STRANGE)
    first, silence = stream.events
    waiting = first.merged(silence)
    assert (waiting.claim, waiting.decode) == (Claim.NONE, silence.decode)
    stream.see(OPEN, 5)
    back = waiting.merged(stream.events[-1])
    assert (back.claim, told(back)[0]) == (Claim.SPOKEN, Reason.FIRST)
    assert spans([back]) == [(0, 5, 5)]
