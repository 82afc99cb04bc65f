# SPDX-License-Identifier: Apache-2.0
"""Crisp text on numpy images.

OpenCV's stroke fonts are hard to read below 20 px and know no accents, so text is set with Pillow
in the Roboto that ships beside this file. Rendered lines are cached as alpha masks, because most
of an overlay's text stays the same from frame to frame.

Roboto knows Latin, Greek and Cyrillic. Other letters come from a font of the machine if it has one
of :data:`_OTHER_FONTS`; else each shows as a box, never as a blank. Letters are set one after the
other from left to right, so scripts that join or reverse them are legible only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

ELLIPSIS = "…"
_FONTS = Path(__file__).parent / "fonts"
_OTHER_FONTS = (  # looked for by name in the folders in which Linux keeps fonts
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJK-VF.otf.ttc",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
)
_BASIC_LAYOUT: Any = (
    0  # ImageFont.Layout.BASIC, spelled so that Pillow 9.0 (Ubuntu 22.04) knows it
)


@dataclass(frozen=True)
class Font:
    """One weight of Roboto at one size, `size` in pixels."""

    size: int
    bold: bool = False

    @property
    def height(self) -> int:
        """The pixels from the top of one line to the top of the next."""
        return sum(_load(self).getmetrics())

    def width(self, text: str) -> int:
        """Return the width of `text` in pixels."""
        return _width(self, text)


@lru_cache(maxsize=64)
def _load(face: Font) -> ImageFont.FreeTypeFont:
    path = _FONTS / ("Roboto-Bold.ttf" if face.bold else "Roboto-Regular.ttf")
    return ImageFont.truetype(str(path), face.size, layout_engine=_BASIC_LAYOUT)


@lru_cache(maxsize=4096)
def _width(face: Font, text: str) -> int:
    return int(np.ceil(sum(_length(face, font, run) for font, run in _runs(face, text))))


@lru_cache(maxsize=512)
def _mask(face: Font, text: str) -> NDArray[np.uint8]:
    """Return the opacity of `text`, uint8 (height, width + 1)."""
    mask = Image.new("L", (face.width(text) + 1, face.height))
    pen, x, baseline = ImageDraw.Draw(mask), 0.0, _load(face).getmetrics()[0]
    for font, run in _runs(face, text):
        if font is not None:
            pen.text((round(x), baseline), run, font=font, fill=255, anchor="ls")
        else:
            _draw_boxes(pen, face, round(x), baseline, len(run))
        x += _length(face, font, run)
    return np.asarray(mask)


def lacks_letters(text: str) -> bool:
    """Tell whether some letters of `text` show as boxes, because no font here has them."""
    return any(_place(character) is None for character in text)


def _runs(face: Font, text: str) -> list[tuple[ImageFont.FreeTypeFont | None, str]]:
    """Cut `text` into pieces of one font each; None for letters that no font has."""
    runs = []
    for place, characters in groupby(text, _place):
        font = None if place is None else _load_nth(face, place)
        runs.append((font, "".join(characters)))
    return runs


def _length(face: Font, font: ImageFont.FreeTypeFont | None, run: str) -> float:
    return font.getlength(run) if font is not None else float(len(run) * _box_width(face))


def _draw_boxes(pen: Any, face: Font, x: int, baseline: int, count: int) -> None:
    width = _box_width(face)
    for left in range(x, x + count * width, width):
        pen.rectangle(
            (left + 1, baseline - face.size * 2 // 3, left + width - 2, baseline), outline=255
        )


def _box_width(face: Font) -> int:
    return max(5, face.size * 2 // 3)


@lru_cache(maxsize=4096)
def _place(character: str) -> int | None:
    """Return the first font that has a character: 0 for Roboto, then the others; None for none."""
    if character.isspace():
        return 0
    probe = Font(24)
    for place in range(1 + len(_other_fonts())):
        font = _load_nth(probe, place)
        if bytes(font.getmask(character)) not in _placeholders(place):
            return place
    return None


@lru_cache(maxsize=16)
def _placeholders(place: int) -> tuple[bytes, bytes]:
    """Return what a font shows for a character that no font has, and nothing at all."""
    return bytes(_load_nth(Font(24), place).getmask("\U0010fffd")), b""


@lru_cache(maxsize=1)
def _other_fonts() -> tuple[str, ...]:
    """Return the paths of the fonts of this machine that may help out."""
    found = []
    for name in _OTHER_FONTS:
        try:
            found.append(str(ImageFont.truetype(name, 24).path))
        except OSError:  # not installed
            continue
    return tuple(found)


def _load_nth(face: Font, place: int) -> ImageFont.FreeTypeFont:
    return _load(face) if place == 0 else _load_path(_other_fonts()[place - 1], face.size)


@lru_cache(maxsize=64)
def _load_path(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=_BASIC_LAYOUT)


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
    """Break `text` at spaces into at most `lines` lines of `width` pixels, the last ellipsized."""
    broken: list[str] = []
    words = text.split()
    while words and len(broken) < lines - 1:
        count = 1
        while count < len(words) and face.width(" ".join(words[: count + 1])) <= width:
            count += 1
        broken.append(ellipsize(" ".join(words[:count]), face, width))
        words = words[count:]
    if words:
        broken.append(ellipsize(" ".join(words), face, width))
    return broken
