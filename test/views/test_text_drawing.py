# SPDX-License-Identifier: Apache-2.0
"""Text is cut and broken to the room that it has, and never paints outside the image."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.views import system_fonts, text_drawing
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


def test_letters_that_no_font_has_are_never_blank() -> None:
    assert _drawn("\U0010fffd").any()
    assert FACE.width("\U0010fffd") == FACE.width("\\U0010fffd")


def test_scripts_without_spaces_are_wrapped_at_letters() -> None:
    text = "ロボットは引き出しを開けて、マグカップを取る"
    lines = wrap(text, FACE, FACE.width(text) * 2 // 5, 9)
    assert len(lines) == 3
    assert "".join(lines) == text
    assert not any(line.startswith(("、", "ー")) for line in lines)


def test_a_script_from_right_to_left_is_drawn_so() -> None:
    _need("א", joining=True)
    face = Font(30)
    both, first = text_drawing._mask(face, "אב"), text_drawing._mask(face, "א")
    assert np.array_equal(both[:, -first.shape[1] + 1 :], first[:, 1:])


def test_letters_that_join_are_joined() -> None:
    _need("ب", joining=True)
    columns = text_drawing._mask(Font(30), "ببب")[5:].any(axis=0)
    inked = np.flatnonzero(columns)
    assert columns[inked[0] : inked[-1]].all()


def _need(letter: str, joining: bool) -> None:
    if system_fonts.font_of(letter) is None:
        pytest.skip(f"not tried: no font here has {letter} (sudo apt install fonts-dejavu-core)")
    if joining and not system_fonts._joins_letters():
        pytest.skip("not tried: Pillow has no Raqm or finds no FriBiDi (apt install libfribidi0)")
