# SPDX-License-Identifier: Apache-2.0
"""Crisp text on numpy images.

OpenCV's stroke fonts are hard to read below 20 px and know no accents, so text is set with Pillow
in the Roboto that ships beside this file: the same picture on every machine, whatever fonts it
has. Rendered lines are cached as alpha masks, because most of an overlay's text stays the same
from frame to frame. Letters outside Latin, Greek and Cyrillic show as a box.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

ELLIPSIS = "…"
_FONTS = Path(__file__).parent / "fonts"
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
    return int(np.ceil(_load(face).getlength(text)))


@lru_cache(maxsize=512)
def _mask(face: Font, text: str) -> NDArray[np.uint8]:
    """Return the opacity of `text`, uint8 (height, width + 1)."""
    mask = Image.new("L", (face.width(text) + 1, face.height))
    ImageDraw.Draw(mask).text((0, 0), text, font=_load(face), fill=255)
    return np.asarray(mask)


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
