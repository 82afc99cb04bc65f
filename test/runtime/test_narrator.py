# SPDX-License-Identifier: Apache-2.0
"""What is worth saying about a state."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.narrator import Narrator, Told
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import Decode, Reason

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)


@pytest.fixture
def narrator() -> Narrator:
    texts = {"door": ["the door is open", "the door\nis closed"], "light": ["it is dark"]}
    return Narrator(PhraseBank(texts, [OPEN, CLOSED, DARK], logit_scale=10.0))


def decode(reason: Reason, embedding: NDArray[np.float32], since_ns: int) -> Decode:
    return Decode(since_ns + 5, since_ns, reason, 0.5, embedding)


def told(narrator: Narrator, reason: Reason, embedding: NDArray[np.float32], since: int) -> Told:
    it = narrator.tell("door", decode(reason, embedding, since))
    assert it is not None
    return it


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
