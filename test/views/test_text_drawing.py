# SPDX-License-Identifier: Apache-2.0
"""Text is cut and broken to the room that it has, and never paints outside the image."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.views import text_drawing
from vljepa_ros.views.text_drawing import ELLIPSIS, Font, ellipsize, paint, paint_right, wrap

FACE = Font(14)
LONG = "the robot is pulling the drawer open by its handle while holding a cup"


def test_digits_are_equally_wide_so_that_numbers_do_not_jump() -> None:
    widths = {FACE.width(digit * 6) for digit in "0123456789"}
    assert len(widths) == 1


@pytest.mark.parametrize("width", [20, 60, 150, 300])
def test_a_cut_text_fits_and_is_a_beginning(width: int) -> None:
    cut = ellipsize(LONG, FACE, width)
    assert FACE.width(cut) <= width
    assert cut.endswith(ELLIPSIS)
    assert LONG.startswith(cut[:-1])


def test_a_text_that_fits_stays_whole() -> None:
    assert ellipsize(LONG, FACE, FACE.width(LONG)) == LONG


def test_no_room_at_all_gives_no_text() -> None:
    assert ellipsize(LONG, FACE, 1) == ""


def test_wrapped_lines_fit_and_lose_no_word() -> None:
    lines = wrap(LONG, FACE, 200, 5)
    assert all(FACE.width(line) <= 200 for line in lines)
    assert " ".join(lines) == LONG


def test_the_last_line_is_cut_when_lines_run_out() -> None:
    lines = wrap(LONG, FACE, 150, 2)
    assert len(lines) == 2
    assert lines[1].endswith(ELLIPSIS)


def test_a_single_word_that_is_too_long_is_cut() -> None:
    (line,) = wrap("x" * 200, FACE, 100, 1)
    assert FACE.width(line) <= 100


@pytest.mark.parametrize("place", [(-30, 4), (4, -8), (95, 4), (4, 35), (500, 500), (-500, 4)])
def test_text_over_an_edge_is_clipped(place: tuple[int, int]) -> None:
    padded = np.zeros((80, 200, 3), np.uint8)
    image = padded[20:60, 50:150]
    paint(image, "some words", *place, FACE, (255, 255, 255))
    padded[20:60, 50:150] = 0
    assert not padded.any()


def test_right_aligned_text_ends_where_told() -> None:
    image = np.zeros((30, 200, 3), np.uint8)
    paint_right(image, "82 %", 150, 4, FACE, (255, 255, 255))
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    assert 140 <= columns.max() <= 150


def test_accents_and_other_alphabets_have_glyphs() -> None:
    unknown = _drawn("\u4e2d")
    for letter in "äéñøЖλ€±":
        assert not np.array_equal(_drawn(letter), unknown)


def _drawn(text: str) -> np.ndarray:
    image = np.zeros((30, 30, 3), np.uint8)
    paint(image, text, 4, 4, FACE, (255, 255, 255))
    return image


def test_letters_that_no_font_has_show_as_boxes_and_never_as_blanks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_drawing, "_other_fonts", lambda: ())
    _forget_fonts()
    try:
        assert _drawn("中").any()
        assert text_drawing.lacks_letters("a 中")
        assert not text_drawing.lacks_letters("äЖ λ €")
        one, three = FACE.width("中"), FACE.width("中文字")
        assert three == 3 * one > 0
    finally:
        _forget_fonts()


def test_letters_come_from_another_font_if_it_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    roboto = str(text_drawing._FONTS / "Roboto-Bold.ttf")
    monkeypatch.setattr(text_drawing, "_other_fonts", lambda: (roboto,))
    monkeypatch.setattr(
        text_drawing, "_placeholders", lambda place: _all_of("λ") if place == 0 else (b"",)
    )
    _forget_fonts()
    try:
        assert text_drawing._place("a") == 0
        assert text_drawing._place("λ") == 1
        assert _drawn("λ").any()
    finally:
        _forget_fonts()


def _all_of(letter: str) -> tuple[bytes, ...]:
    """What the first font shows for a letter, as if that were its sign for unknown ones."""
    return (bytes(text_drawing._load_nth(Font(24), 0).getmask(letter)),)


def _forget_fonts() -> None:
    for cached in ("_place", "_width", "_mask"):
        getattr(text_drawing, cached).cache_clear()
