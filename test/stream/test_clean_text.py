# SPDX-License-Identifier: Apache-2.0
"""Texts from outside cannot forge lines, command a terminal or fill a log."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.stream.clean_text import TextTooLongError, clean_text, whole_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("What is the robot doing?", "What is the robot doing?"),
        ("  two\t words \r\n", "two words"),
        ("a line\n[INFO] forged", "a line [INFO] forged"),
        ("a\u2028b", "a b"),
        ("\x1b[31mred\x07", "[31mred"),
        ("\u202eesrever", "esrever"),
        ("\ufeffmark", "mark"),
        ("lone \ud800 half", "lone half"),
        ("Grüße 你好 🤖", "Grüße 你好 🤖"),
        ("\U0001f468\u200d\U0001f373", "\U0001f468\u200d\U0001f373"),
        ("", ""),
        ("\n\x00\t", ""),
    ],
)
def test_examples(text: str, clean: str) -> None:
    assert clean_text(text) == clean


def test_a_long_text_is_cut_and_shows_it() -> None:
    assert clean_text("x" * 200) == "x" * 200
    assert clean_text("x" * 201) == "x" * 199 + "…"
    assert clean_text("x" * 10_000_000) == "x" * 199 + "…"
    assert clean_text("one two three", limit=9) == "one two…"


@given(st.text(), st.integers(1, 50))
def test_any_text_becomes_one_harmless_line_that_stays_as_it_is(text: str, limit: int) -> None:
    clean = clean_text(text, limit)
    assert len(clean) <= limit
    assert clean == clean.strip()
    assert len(clean.splitlines()) <= 1
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in clean)
    clean.encode("utf-8")
    assert clean_text(clean, limit) == clean


@given(st.text(max_size=60), st.integers(1, 20))
def test_a_whole_text_is_never_cut(text: str, limit: int) -> None:
    longest = clean_text(text, limit=1000)
    if len(longest) <= limit and len(text) <= 8 * limit:
        assert whole_text(text, limit) == longest
    else:
        with pytest.raises(TextTooLongError, match=f"longer than {limit} characters"):
            whole_text(text, limit)


def test_a_text_that_would_be_cut_before_a_space_is_too_long() -> None:
    with pytest.raises(TextTooLongError):
        whole_text("a" * 64 + " b", 64)
