# SPDX-License-Identifier: Apache-2.0
"""A text is cut into runs of one font and one direction, and these stand in the right order."""

from __future__ import annotations

import pytest

from vljepa_ros.views import text_runs as module
from vljepa_ros.views.system_fonts import ROBOTO, FontFile
from vljepa_ros.views.text_runs import Run, lacks_letters, text_runs

OTHER = FontFile("other.ttf")


@pytest.fixture(autouse=True)
def two_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roboto has what ASCII has, another font Hebrew, Arabic and Devanagari; both have spaces."""

    def has_glyph(file: FontFile, character: str) -> bool:
        is_other = "\u0590" <= character < "\u0980"
        return is_other if file == OTHER else character.isascii()

    def font_of(character: str) -> FontFile | None:
        return next((file for file in (ROBOTO, OTHER) if has_glyph(file, character)), None)

    monkeypatch.setattr(module, "has_glyph", has_glyph)
    monkeypatch.setattr(module, "font_of", font_of)
    text_runs.cache_clear()
    yield
    text_runs.cache_clear()


def test_a_text_of_one_script_is_one_run() -> None:
    assert text_runs("the drawer is open") == (Run(ROBOTO, "the drawer is open"),)
    assert text_runs("الروبوت ينتظر") == (Run(OTHER, "الروبوت ينتظر", True),)


def test_words_from_the_right_stand_as_a_whole_in_a_text_from_the_left() -> None:
    assert text_runs("door باب مفتوح open") == (
        Run(ROBOTO, "door "),
        Run(OTHER, "باب مفتوح", True),
        Run(ROBOTO, " open"),
    )


def test_a_text_from_the_right_begins_at_the_right() -> None:
    runs = text_runs("باب door 2 درج")
    assert [run.text.strip() for run in runs] == ["درج", "door 2", "باب"]
    assert [run.from_right for run in runs] == [True, False, True]


def test_pieces_of_two_fonts_in_one_direction_stand_in_it() -> None:
    runs = text_runs("باب 3 مفتوح!")
    assert [run.text.strip() for run in runs] == ["!", "مفتوح", "3", "باب"]
    assert all(run.from_right for run in runs)


def test_vowel_signs_stay_with_their_letters() -> None:
    assert text_runs("दराज खुली") == (Run(OTHER, "दराज खुली"),)


def test_letters_that_no_font_has_are_spelled_so_that_texts_differ() -> None:
    assert text_runs("a 开") == (Run(ROBOTO, "a \\u5f00"),)
    assert text_runs("a 关") != text_runs("a 开")
    assert lacks_letters("a 开")
    assert not lacks_letters("a باب")
