# SPDX-License-Identifier: Apache-2.0
"""Which updates of a state are news, and what is published of its segments."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from support.colour_bundle import COLOURS, DIMENSION, add_text_decoder, phrase, sentence
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.state_tracker import StateTracker, StateUpdate
from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.segment import Segment
from vljepa_ros.stream.state_events import StateEvent, StateEventDetector
from vljepa_ros.stream.vectors import EmbeddingError, unit

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)


@pytest.fixture
def tracker() -> StateTracker:
    texts = {"door": ["the door is open", "the door\nis closed"], "light": ["it is dark"]}
    return StateTracker(PhraseBank(texts, [OPEN, CLOSED, DARK], logit_scale=10.0))


def event(
    reason: Reason | None,
    embedding: NDArray[np.float32] = OPEN,
    since: int = 0,
    ended: Segment | None = None,
    *,
    stamp: int | None = None,
    query: str = "door",
) -> StateEvent:
    """An event as the detector makes it; without a reason it is the end of the stream."""
    streams = (ended,) if ended and reason in (None, Reason.FIRST) else ()
    if reason is None:
        return StateEvent("", query, "camera", None, streams)
    stamp = since + 5 if stamp is None else stamp
    found = Decode(stamp, since, reason, 0.5, embedding, None if streams else ended)
    return StateEvent("", query, "camera", found, streams)


def update(
    tracker: StateTracker,
    reason: Reason,
    embedding: NDArray[np.float32],
    since: int,
    ended: Segment | None = None,
) -> StateUpdate:
    """What is published of an event, which must be news."""
    found = tracker.update(event(reason, embedding, since, ended))
    assert found is not None
    return found


def segment(start: int, end: int, mean: ArrayLike, samples: int = 1) -> Segment:
    return Segment(start, end, np.asarray(mean, dtype=np.float64), samples)


@dataclass(frozen=True)
class Described:
    """A segment as the node publishes it."""

    start_ns: int
    end_ns: int
    text: str
    samples: int
    embedding: NDArray[np.float32]
    seq: int


def described(tracker: StateTracker, query: str = "door") -> list[Described]:
    return [
        Described(
            one.start_ns,
            one.end_ns,
            tracker.describe(query, one.embedding).text,
            one.samples,
            one.embedding,
            seq,
        )
        for seq, one in tracker.take_closed(query)
    ]


def test_a_state_names_the_one_before_it(tracker: StateTracker) -> None:
    first = update(tracker, Reason.FIRST, OPEN, 10)
    second = update(tracker, Reason.CHANGE, CLOSED, 20)
    assert (first.text, first.previous_text, first.since_ns, first.seq) == (
        "the door is open",
        "",
        10,
        0,
    )
    assert (second.text, second.previous_text, second.since_ns, second.seq) == (
        "the door is closed",  # on one line
        "the door is open",
        20,
        1,
    )
    assert 0.99 < second.words.score <= 1.0


def test_a_change_to_the_same_words_is_no_news(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    assert tracker.update(event(Reason.CHANGE, OPEN, 20)) is None
    assert update(tracker, Reason.CHANGE, CLOSED, 30).seq == 1


@pytest.mark.parametrize("reason", [Reason.REFRESH, Reason.FORCED])
def test_a_state_that_is_repeated_keeps_its_beginning(
    tracker: StateTracker, reason: Reason
) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    update(tracker, Reason.CHANGE, CLOSED, 20)
    again = update(tracker, reason, CLOSED, 30)
    assert (again.since_ns, again.previous_text, again.seq) == (20, "the door is open", 2)


def test_after_a_cut_there_is_no_state_before(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    first = update(tracker, Reason.FIRST, CLOSED, 20)
    assert (first.previous_text, first.since_ns, first.seq) == ("", 20, 1)
    assert tracker.texts == {"door": "the door is closed"}


def test_a_forced_description_does_not_change_the_state(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    look = update(tracker, Reason.FORCED, CLOSED, 20)  # a change that is not confirmed yet
    assert (look.text, look.previous_text) == ("the door is closed", "the door is open")
    assert (look.since_ns, look.seq, look.reason) == (20, 1, Reason.FORCED)
    assert tracker.texts == {"door": "the door is open"}
    change = update(tracker, Reason.CHANGE, CLOSED, 20, segment(10, 20, OPEN))
    assert (change.text, change.previous_text) == ("the door is closed", "the door is open")
    assert (change.since_ns, change.seq, change.reason) == (20, 2, Reason.CHANGE)
    assert [it.end_ns for it in described(tracker)] == [20]


def test_other_words_without_a_change_are_known_to_hold_now(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    look = tracker.update(event(Reason.FORCED, CLOSED, 10, stamp=70))
    assert look is not None and look.since_ns == 70
    refresh = event(Reason.REFRESH, CLOSED, 10, segment(10, 80, OPEN), stamp=80)
    news = tracker.update(refresh)
    assert news is not None and (news.since_ns, news.reason) == (80, Reason.REFRESH)
    assert news.previous_text == "the door is open"
    (found,) = described(tracker)
    assert (found.start_ns, found.end_ns, found.text) == (10, 80, "the door is open")


def test_a_correction_is_about_the_state_from_its_beginning(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 0)
    update(tracker, Reason.CHANGE, CLOSED, 50, segment(0, 50, OPEN))
    assert tracker.update(event(Reason.CORRECTION, CLOSED, 50, stamp=60)) is None
    news = tracker.update(event(Reason.CORRECTION, OPEN, 50, stamp=70))
    assert news is not None
    assert (news.text, news.previous_text) == ("the door is open", "the door is closed")
    assert (news.since_ns, news.reason) == (50, Reason.CORRECTION)
    tracker.update(event(None, ended=segment(50, 90, OPEN)))
    found = [(one.start_ns, one.end_ns, one.text) for one in described(tracker)]
    assert found == [(0, 50, "the door is open"), (50, 90, "the door is open")]


def test_a_forced_description_before_any_state_is_not_the_first_state(
    tracker: StateTracker,
) -> None:
    assert update(tracker, Reason.FORCED, OPEN, 10).previous_text == ""
    assert tracker.texts == {}
    first = update(tracker, Reason.FIRST, OPEN, 10)
    assert (first.reason, first.previous_text, first.seq) == (Reason.FIRST, "", 1)


def test_what_has_the_same_words_is_one_segment(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    same = event(Reason.CHANGE, OPEN, 20, segment(10, 20, OPEN, 3))
    assert tracker.update(same) is None
    leaning = [0.6, 0.0, 0.8]
    update(tracker, Reason.REFRESH, OPEN, 20, segment(20, 50, leaning, 1))
    assert described(tracker) == []
    update(tracker, Reason.CHANGE, CLOSED, 60, segment(50, 60, OPEN, 2))
    (found,) = described(tracker)
    assert (found.start_ns, found.end_ns, found.samples, found.seq) == (10, 60, 6, 0)
    expected = unit(np.mean([OPEN, OPEN, OPEN, leaning, OPEN, OPEN], axis=0))
    np.testing.assert_allclose(found.embedding, expected, atol=1e-6)
    assert described(tracker) == [], "it is taken"


def test_the_text_of_a_segment_is_that_of_all_its_samples(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    update(tracker, Reason.CHANGE, OPEN * -1 + DARK, 90, segment(10, 90, CLOSED))
    (found,) = described(tracker)
    assert found.text == "the door is closed"


def test_a_cut_ends_the_segment_and_what_follows_is_the_first_state(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    first = update(tracker, Reason.FIRST, OPEN, 5, segment(10, 90, OPEN))  # jumped back
    tracker.update(event(None, ended=segment(5, 30, OPEN)))
    assert [(it.start_ns, it.end_ns, it.seq) for it in described(tracker)] == [
        (10, 90, 0),
        (5, 30, 1),
    ]
    assert (first.previous_text, tracker.texts) == ("", {})
    assert update(tracker, Reason.FIRST, OPEN, 100).previous_text == ""


def test_a_stream_that_ends_takes_its_state_away_once(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    update(tracker, Reason.CHANGE, CLOSED, 20)
    end = StateEvent("", "door", "camera", None, (segment(20, 30, CLOSED),), last_ns=30)
    lost = tracker.update(end)
    assert lost is not None
    assert (lost.reason, lost.text, lost.previous_text) == (Reason.LOST, "", "the door is closed")
    assert (lost.since_ns, lost.seq, lost.words.score) == (30, 2, 0.0)
    assert math.isnan(lost.words.cosine)
    assert tracker.texts == {}
    assert tracker.update(end) is None
    again = update(tracker, Reason.FIRST, OPEN, 40)
    assert (again.previous_text, again.seq) == ("", 3)


def test_nothing_is_lost_that_was_never_told(tracker: StateTracker) -> None:
    assert tracker.update(event(None)) is None
    update(tracker, Reason.FORCED, OPEN, 10)
    assert tracker.update(event(None)) is None


def test_a_state_is_lost_although_the_next_stream_got_no_words() -> None:
    bank = PhraseBank({"door": ["open", "closed"]}, [OPEN, CLOSED], logit_scale=10.0)
    tracker = StateTracker(_Moody(bank, [False, True]))
    update(tracker, Reason.FIRST, OPEN, 10)
    with pytest.raises(BackendError):
        tracker.update(event(Reason.FIRST, CLOSED, 20))
    lost = tracker.update(event(None))
    assert lost is not None and lost.previous_text == "open"


def test_a_query_that_is_forgotten_is_counted_anew(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    tracker.update(event(None))
    tracker.forget("door")
    assert update(tracker, Reason.FIRST, OPEN, 20).seq == 0


def test_what_no_phrase_resembles_is_none_of_these() -> None:
    bank = PhraseBank({"door": ["open", "closed"]}, [OPEN, CLOSED], logit_scale=10.0)
    threshold = 0.7
    tracker = StateTracker(bank, lambda: threshold)
    first = update(tracker, Reason.FIRST, unit(OPEN + 0.5 * DARK), 10)
    assert (first.text, first.words.cosine) == ("open", pytest.approx(2 / 5**0.5))
    none = update(tracker, Reason.CHANGE, unit(OPEN + 2 * DARK), 20, segment(10, 20, OPEN))
    assert (none.text, none.previous_text) == ("", "open")
    assert (none.words.cosine, none.words.share > 0.5, none.words.score) == (
        pytest.approx(5**-0.5),
        True,
        0.0,
    )
    assert update(tracker, Reason.CHANGE, CLOSED, 30, segment(20, 30, DARK)).previous_text == ""
    assert [it.text for it in described(tracker)] == ["open", ""]
    threshold = 0.3
    assert tracker.describe("door", unit(OPEN + 2 * DARK)).text == "open"


def test_a_segment_whose_samples_cancel_out_is_lost_alone(tracker: StateTracker) -> None:
    update(tracker, Reason.FIRST, OPEN, 10)
    update(tracker, Reason.CHANGE, CLOSED, 20, segment(10, 20, np.zeros(3), 2))
    update(tracker, Reason.CHANGE, OPEN, 30, segment(20, 30, CLOSED))
    (_, lost), (seq, good) = tracker.take_closed("door")
    with pytest.raises(EmbeddingError):
        tracker.describe("door", lost.embedding)
    assert tracker.describe("door", good.embedding).text == "the door is closed"
    assert seq == 1, "the gap tells that one is missing"


def test_either_decoder_finds_words_for_states_and_segments(
    colour_bundle: Path, tmp_path: Path
) -> None:
    speaking = Path(shutil.copytree(colour_bundle, tmp_path / "speaking"))
    add_text_decoder(speaking)
    red, blue = colour("red"), colour("blue")
    for name, words in ("phrases", phrase), ("sentences", sentence):
        bundle = Bundle.load(speaking)
        phrases = PhraseBank.from_bundle(bundle)
        tracker = StateTracker(choose_decoder(name, bundle, phrases))
        first = tracker.update(event(Reason.FIRST, red, 10, query="colour"))
        ended = segment(10, 20, red, 4)
        news = tracker.update(event(Reason.CHANGE, blue, 20, ended, query="colour"))
        assert first is not None and news is not None
        assert (news.text, news.previous_text) == (words("blue"), words("red"))
        assert [it.text for it in described(tracker, "colour")] == [words("red")]


class _Moody:
    """A phrase bank that fails whenever its turn has come."""

    def __init__(self, bank: PhraseBank, fails: Sequence[bool]) -> None:
        self._bank = bank
        self._fails = iter(fails)

    def best(self, query: str, embedding: ArrayLike) -> Description:
        if next(self._fails):
            raise BackendError("out of memory")
        return self._bank.best(query, embedding)


def test_after_a_first_state_without_words_the_next_one_is_the_first() -> None:
    bank = PhraseBank({"door": ["open", "closed"]}, [OPEN, CLOSED], logit_scale=10.0)
    tracker = StateTracker(_Moody(bank, [True, False, False]))
    with pytest.raises(BackendError):
        tracker.update(event(Reason.FIRST, OPEN, 10))
    first = update(tracker, Reason.CHANGE, CLOSED, 20, segment(10, 20, OPEN))
    assert (first.reason, first.previous_text, first.since_ns) == (Reason.FIRST, "", 20)
    assert [(it.text, it.end_ns) for it in described(tracker)] == [("open", 20)]


@pytest.mark.parametrize("seed", range(12))
def test_no_sample_is_lost_or_counted_twice(colour_bundle: Path, seed: int) -> None:
    """Through events that wait and merge, decoders that fail, jumps, cuts and streams that end."""
    random = np.random.default_rng(seed)
    bank = PhraseBank.from_bundle(Bundle.load(colour_bundle))
    tracker = StateTracker(_Moody(bank, random.random(10_000) < 0.3))
    detector = StateEventDetector(ChangeConfig(min_gap_s=0.0, refresh_s=2.0), silence_s=3.0)
    waiting: StateEvent | None = None
    closed: list[Segment] = []
    taken: dict[int, NDArray[np.float32]] = {}

    def track(event: StateEvent) -> None:
        with suppress(BackendError):  # the node counts it
            tracker.update(event)
        closed.extend(segment for _, segment in tracker.take_closed("colour"))

    stamp, name = 10**12, "red"
    for _ in range(600):
        if random.random() < 0.1:
            name = str(random.choice(list(COLOURS)))
        # A jump back goes to times that were not used, so that a stamp names one sample.
        stamp += -(10**11) if random.random() < 0.01 else 10**8
        stamp += 4 * 10**9 if random.random() < 0.01 else 0
        taken[stamp] = colour(name)
        start = stamp - (1 if random.random() < 0.01 else 10**9)  # 1 is a clip of a new stream
        events = [detector.update("colour", stamp, taken[stamp], "front", window_start_ns=start)]
        events += detector.end_silent(10**10) if random.random() < 0.01 else []
        events += detector.finish() if random.random() < 0.01 else []
        for one in filter(None, events):
            waiting = one if waiting is None else waiting.merged(one)
        if waiting is not None and random.random() < 0.5:
            track(waiting)
            waiting = None
    for one in filter(None, [waiting, *detector.finish()]):
        track(one)

    assert sum(it.samples for it in closed) == len(taken)
    for it in closed:
        inside = [v for s, v in taken.items() if it.start_ns <= s < it.end_ns]
        if len(inside) < it.samples:  # the last of its stream
            inside.append(taken[it.end_ns])
        assert len(inside) == it.samples
        np.testing.assert_allclose(it.mean, np.mean(inside, axis=0), atol=1e-6)


def colour(name: str) -> NDArray[np.float32]:
    vector = np.full(DIMENSION, 0.01, dtype=np.float32)
    vector[list(COLOURS).index(name)] = 1.0
    return unit(vector)
