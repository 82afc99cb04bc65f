# SPDX-License-Identifier: Apache-2.0
"""What is worth saying about a state, and what is said of it when it is over."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from support.colour_bundle import COLOURS, DIMENSION, add_text_decoder, phrase, sentence
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.narrator import Narrator, Summary, Told
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.pieces import Piece
from vljepa_ros.stream.state_watch import Moment, StateWatch, combined
from vljepa_ros.stream.vectors import EmbeddingError, unit

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)


@pytest.fixture
def narrator() -> Narrator:
    texts = {"door": ["the door is open", "the door\nis closed"], "light": ["it is dark"]}
    return Narrator(PhraseBank(texts, [OPEN, CLOSED, DARK], logit_scale=10.0))


def decode(reason: Reason, embedding: NDArray[np.float32], since_ns: int) -> Decode:
    return Decode(since_ns + 5, since_ns, reason, 0.5, embedding)


def told(
    narrator: Narrator,
    reason: Reason,
    embedding: NDArray[np.float32],
    since: int,
    ended: Piece | None = None,
) -> Told:
    over = [ended] if ended and reason is Reason.FIRST else []
    it = narrator.tell("door", decode(reason, embedding, since), over, None if over else ended)
    assert it is not None
    return it


def piece(start: int, end: int, mean: ArrayLike, samples: int = 1) -> Piece:
    return Piece(start, end, np.asarray(mean, dtype=np.float64), samples)


def summaries(narrator: Narrator, query: str = "door") -> list[Summary]:
    return [narrator.sum_up(query, closed) for closed in narrator.take_closed(query)]


def test_a_state_names_the_one_before_it(narrator: Narrator) -> None:
    first = told(narrator, Reason.FIRST, OPEN, 10)
    second = told(narrator, Reason.CHANGE, CLOSED, 20)
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
    assert 0.99 < second.score <= 1.0


def test_a_change_to_the_same_words_is_no_news(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    assert narrator.tell("door", decode(Reason.CHANGE, OPEN, 20)) is None
    assert told(narrator, Reason.CHANGE, CLOSED, 30).seq == 1


@pytest.mark.parametrize("reason", [Reason.REFRESH, Reason.FORCED])
def test_a_state_that_is_told_again_keeps_its_beginning(
    narrator: Narrator, reason: Reason
) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    told(narrator, Reason.CHANGE, CLOSED, 20)
    again = told(narrator, reason, CLOSED, 30)
    assert (again.since_ns, again.previous_text, again.seq) == (20, "the door is open", 2)


def test_after_a_cut_there_is_no_state_before(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    first = told(narrator, Reason.FIRST, CLOSED, 20)
    assert (first.previous_text, first.since_ns, first.seq) == ("", 20, 1)
    assert narrator.states == {"door": "the door is closed"}


def test_what_is_asked_for_stands_nowhere(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    look = told(narrator, Reason.FORCED, CLOSED, 20)  # a change that is not confirmed yet
    assert (look.text, look.previous_text) == ("the door is closed", "the door is open")
    assert (look.since_ns, look.seq, look.reason) == (20, 1, Reason.FORCED)
    assert narrator.states == {"door": "the door is open"}
    change = told(narrator, Reason.CHANGE, CLOSED, 20, piece(10, 20, OPEN))
    assert (change.text, change.previous_text) == ("the door is closed", "the door is open")
    assert (change.since_ns, change.seq, change.reason) == (20, 2, Reason.CHANGE)
    assert [it.end_ns for it in summaries(narrator)] == [20]


def test_other_words_without_a_change_are_known_to_hold_now(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    look = narrator.tell("door", Decode(70, 10, Reason.FORCED, 0.1, CLOSED))
    assert look is not None and look.since_ns == 70
    refresh = Decode(80, 10, Reason.REFRESH, 0.1, CLOSED)
    news = narrator.tell("door", refresh, ended=piece(10, 80, OPEN))
    assert news is not None and (news.since_ns, news.reason) == (80, Reason.REFRESH)
    assert news.previous_text == "the door is open"
    (segment,) = summaries(narrator)
    assert (segment.start_ns, segment.end_ns, segment.text) == (10, 80, "the door is open")


def test_a_correction_is_about_the_state_from_its_beginning(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 0)
    told(narrator, Reason.CHANGE, CLOSED, 50, piece(0, 50, OPEN))
    again = Decode(60, 50, Reason.CORRECTION, 0.1, CLOSED)
    assert narrator.tell("door", again) is None
    news = narrator.tell("door", Decode(70, 50, Reason.CORRECTION, 0.4, OPEN))
    assert news is not None
    assert (news.text, news.previous_text) == ("the door is open", "the door is closed")
    assert (news.since_ns, news.reason) == (50, Reason.CORRECTION)
    narrator.finish("door", [piece(50, 90, OPEN)])
    found = [(one.start_ns, one.end_ns, one.text) for one in summaries(narrator)]
    assert found == [(0, 50, "the door is open"), (50, 90, "the door is open")]


def test_a_look_before_anything_was_told_is_not_the_first_state(narrator: Narrator) -> None:
    assert told(narrator, Reason.FORCED, OPEN, 10).previous_text == ""
    assert narrator.states == {}
    first = told(narrator, Reason.FIRST, OPEN, 10)
    assert (first.reason, first.previous_text, first.seq) == (Reason.FIRST, "", 1)


def test_pieces_under_the_same_words_are_one_segment(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    assert (
        narrator.tell("door", decode(Reason.CHANGE, OPEN, 20), ended=piece(10, 20, OPEN, 3))
        is None
    )
    leaning = [0.6, 0.0, 0.8]
    told(narrator, Reason.REFRESH, OPEN, 20, piece(20, 50, leaning, 1))
    assert summaries(narrator) == []
    told(narrator, Reason.CHANGE, CLOSED, 60, piece(50, 60, OPEN, 2))
    (segment,) = summaries(narrator)
    assert (segment.start_ns, segment.end_ns, segment.samples, segment.seq) == (10, 60, 6, 0)
    expected = unit(np.mean([OPEN, OPEN, OPEN, leaning, OPEN, OPEN], axis=0))
    np.testing.assert_allclose(segment.embedding, expected, atol=1e-6)
    assert summaries(narrator) == [], "it is taken"


def test_the_text_of_a_segment_is_that_of_all_its_samples(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    told(narrator, Reason.CHANGE, OPEN * -1 + DARK, 90, piece(10, 90, CLOSED))
    (segment,) = summaries(narrator)
    assert segment.text == "the door is closed"


def test_a_cut_ends_the_segment_and_what_follows_is_the_first_state(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    first = told(narrator, Reason.FIRST, OPEN, 5, piece(10, 90, OPEN))  # jumped back
    narrator.finish("door", [piece(5, 30, OPEN)])
    assert [(it.start_ns, it.end_ns, it.seq) for it in summaries(narrator)] == [
        (10, 90, 0),
        (5, 30, 1),
    ]
    assert (first.previous_text, narrator.states) == ("", {})
    assert told(narrator, Reason.FIRST, OPEN, 100).previous_text == ""


def test_a_segment_whose_samples_cancel_out_is_lost_alone(narrator: Narrator) -> None:
    told(narrator, Reason.FIRST, OPEN, 10)
    told(narrator, Reason.CHANGE, CLOSED, 20, piece(10, 20, np.zeros(3), 2))
    told(narrator, Reason.CHANGE, OPEN, 30, piece(20, 30, CLOSED))
    lost, good = narrator.take_closed("door")
    with pytest.raises(EmbeddingError):
        narrator.sum_up("door", lost)
    assert narrator.sum_up("door", good).seq == 1, "the gap tells that one is missing"


def test_either_decoder_speaks_live_and_in_the_end(colour_bundle: Path, tmp_path: Path) -> None:
    speaking = Path(shutil.copytree(colour_bundle, tmp_path / "speaking"))
    add_text_decoder(speaking)
    red, blue = colour("red"), colour("blue")
    for name, words in ("phrases", phrase), ("sentences", sentence):
        bundle = Bundle.load(speaking)
        phrases = PhraseBank.from_bundle(bundle)
        narrator = Narrator(choose_decoder(name, bundle, phrases))
        first = narrator.tell("colour", decode(Reason.FIRST, red, 10))
        news = narrator.tell(
            "colour", decode(Reason.CHANGE, blue, 20), ended=piece(10, 20, red, 4)
        )
        assert first is not None and news is not None
        assert (news.text, news.previous_text) == (words("blue"), words("red"))
        assert [it.text for it in summaries(narrator, "colour")] == [words("red")]


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
    narrator = Narrator(_Moody(bank, [True, False, False]))
    with pytest.raises(BackendError):
        narrator.tell("door", decode(Reason.FIRST, OPEN, 10))
    first = told(narrator, Reason.CHANGE, CLOSED, 20, piece(10, 20, OPEN))
    assert (first.reason, first.previous_text, first.since_ns) == (Reason.FIRST, "", 20)
    assert [(it.text, it.end_ns) for it in summaries(narrator)] == [("open", 20)]


@pytest.mark.parametrize("seed", range(12))
def test_no_sample_is_lost_or_counted_twice(colour_bundle: Path, seed: int) -> None:
    """Through moments that wait and merge, decoders that fail, jumps back and streams that end."""
    random = np.random.default_rng(seed)
    bank = PhraseBank.from_bundle(Bundle.load(colour_bundle))
    narrator = Narrator(_Moody(bank, random.random(10_000) < 0.3))
    watch = StateWatch(ChangeConfig(min_gap_s=0.0, refresh_s=2.0))
    waiting: Moment | None = None
    closed: list[Piece] = []
    taken: dict[int, NDArray[np.float32]] = {}

    def tell(moment: Moment) -> None:
        try:
            if moment.decode is None:
                narrator.finish("colour", moment.over)
            else:
                narrator.tell("colour", moment.decode, moment.over, moment.ended)
        except BackendError:
            pass  # the node counts it
        closed.extend(narrator.take_closed("colour"))

    stamp, name = 10**12, "red"
    for _ in range(600):
        if random.random() < 0.1:
            name = str(random.choice(list(COLOURS)))
        # A jump back goes to times that were not used, so that a stamp names one sample.
        stamp += -(10**11) if random.random() < 0.01 else 10**8
        taken[stamp] = colour(name)
        moments = [watch.update("colour", stamp, taken[stamp], "front")]
        moments += watch.finish() if random.random() < 0.01 else []
        for moment in filter(None, moments):
            waiting = moment if waiting is None else combined(waiting, moment)
        if waiting is not None and random.random() < 0.5:
            tell(waiting)
            waiting = None
    for moment in filter(None, [waiting, *watch.finish()]):
        tell(moment)

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
