# SPDX-License-Identifier: Apache-2.0
"""Sentences become numbers of words and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.model.vocabulary import Vocabulary, pieces_of

SENTENCES = ["the robot's arm waits", "now, the door is 3/4 open!", "it waits"]


def test_pieces_bring_their_space_along() -> None:
    assert pieces_of("  now,\tthe robot's\narm ") == [" now", ",", " the", " robot's", " arm"]


def test_every_word_has_one_number_and_the_end_is_zero() -> None:
    words = Vocabulary.of(SENTENCES)
    assert words.pieces == tuple(sorted(set(words.pieces)))
    assert words.numbers("it waits") == [
        words.pieces.index(" it") + 1,
        words.pieces.index(" waits") + 1,
        0,
    ]
    assert words.text([*words.numbers("it waits"), 3, 0]) == "it waits"


@given(st.text())
def test_no_character_is_lost(text: str) -> None:
    words = Vocabulary.of([text])
    assert words.text(words.numbers(text)) == " ".join(text.split())


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(ValueError, match="'it rains': 'rains' is no word that is known"):
        Vocabulary.of(SENTENCES).numbers("it rains")
