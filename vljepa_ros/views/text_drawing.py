# SPDX-License-Identifier: Apache-2.0
"""Crisp text on numpy images.

OpenCV's stroke fonts are hard to read below 20 px and know no accents, so text is set with Pillow
in the Roboto that ships beside this file. Rendered lines are cached as alpha masks, because most
of an overlay's text stays the same from frame to frame.

Texts of other scripts are set in fonts of the machine, run by run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vljepa_ros.views.system_fonts import RAQM_LAYOUT, ROBOTO, ROBOTO_BOLD, FontFile, loaded
from vljepa_ros.views.text_runs import Run, text_runs

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

ELLIPSIS = "…"
_WIDE = "\u2e80-\u2fdf\u3040-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese and Japanese
_STAY = "\u3001\u3002\uff0c\uff0e\uff01\uff1f\u300d\u300f\uff09\u30fc"  # never begin a line
_PIECE = re.compile(f" ?(?:[{_WIDE}]|[^ {_WIDE}]+)[{_STAY}]*")


@dataclass(frozen=True)
class Font:
    """One weight of Roboto at one size, `size` in pixels."""

    size: int
    bold: bool = False

    @property
    def height(self) -> int:
        """The pixels from the top of one line to the top of the next."""
        return sum(_metrics(self))

    def width(self, text: str) -> int:
        """Return the width of `text` in pixels."""
        return _width(self, text)


@lru_cache(maxsize=64)
def _metrics(face: Font) -> tuple[int, int]:
    """Return the pixels above and below the baseline of a line."""
    above, below = _load(face, ROBOTO).getmetrics()
    return above, below


@lru_cache(maxsize=4096)
def _width(face: Font, text: str) -> int:
    return int(np.ceil(sum(_length(face, run) for run in text_runs(text))))


@lru_cache(maxsize=512)
def _mask(face: Font, text: str) -> NDArray[np.uint8]:
    """Return the opacity of `text`, uint8 (height, width + 1)."""
    mask = Image.new("L", (face.width(text) + 1, face.height))
    pen, x, baseline = ImageDraw.Draw(mask), 0.0, _metrics(face)[0]
    for run in text_runs(text):
        font, place = _load(face, run.file), (round(x), baseline)
        direction = _direction(run, font)
        pen.text(place, run.text, font=font, fill=255, anchor="ls", direction=direction)
        x += _length(face, run)
    return np.asarray(mask)


def _length(face: Font, run: Run) -> float:
    font = _load(face, run.file)
    return float(font.getlength(run.text, direction=_direction(run, font)))


def _direction(run: Run, font: ImageFont.FreeTypeFont) -> str | None:
    """Return the direction of a run, if the font's layout engine knows directions."""
    return "rtl" if run.from_right and font.layout_engine == RAQM_LAYOUT else None


def _load(face: Font, file: FontFile) -> ImageFont.FreeTypeFont:
    bold = face.bold and file == ROBOTO
    return loaded(ROBOTO_BOLD if bold else file, face.size)


def paint(image: NDArray[np.uint8], text: str, x: int, y: int, face: Font, colour: Colour) -> None:
    """Blend `text` into `image` (H, W, 3) with its top left at (x, y); what sticks out is cut."""
    mask = _mask(face, text)
    top, left = max(y, 0), max(x, 0)
    area = image[top : y + mask.shape[0], left : x + mask.shape[1]]
    if area.size == 0:
        return
    opacity = mask[top - y :, left - x :][: area.shape[0], : area.shape[1], None].astype(np.int32)
    below = area.astype(np.int32)
    area[:] = below + (np.array(colour, np.int32) - below) * opacity // 255


def paint_right(
    image: NDArray[np.uint8], text: str, right: int, y: int, face: Font, colour: Colour
) -> None:
    """Blend `text` into `image` so that it ends at `right`."""
    paint(image, text, right - face.width(text), y, face, colour)


def ellipsize(text: str, face: Font, width: int) -> str:
    """Return `text`, or as much of its beginning as fits `width` pixels with an ellipsis."""
    if face.width(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if face.width(text[:middle].rstrip() + ELLIPSIS) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS if low else ""


def wrap(text: str, face: Font, width: int, lines: int) -> list[str]:
    """Break `text` into at most `lines` lines of `width` pixels, the last ellipsized.

    Lines end at spaces, and at any letter of scripts that write without them.
    """
    broken: list[str] = []
    pieces = _PIECE.findall(" ".join(text.split()))
    while pieces and len(broken) < lines - 1:
        count = 1
        while count < len(pieces) and face.width(_line(pieces[: count + 1])) <= width:
            count += 1
        broken.append(ellipsize(_line(pieces[:count]), face, width))
        pieces = pieces[count:]
    if pieces:
        broken.append(ellipsize(_line(pieces), face, width))
    return broken


def _line(pieces: Sequence[str]) -> str:
    return "".join(pieces).strip()
