# SPDX-License-Identifier: Apache-2.0
"""One colour for each state text, the same in the overlay and in the timeline."""

from __future__ import annotations

import colorsys

from vljepa_ros.views.text_drawing import Colour

_PALETTE: tuple[Colour, ...] = (
    (86, 152, 214),
    (242, 150, 58),
    (92, 184, 104),
    (228, 98, 98),
    (176, 132, 190),
    (84, 190, 184),
    (236, 200, 74),
    (246, 158, 174),
    (170, 132, 108),
    (160, 203, 80),
    (128, 132, 226),
    (186, 180, 176),
)
_MAX_KNOWN = 1000  # texts; one that comes again after so many others gets a new colour
_GOLDEN_ANGLE = 0.381966  # of a turn: successive hues stay far apart


class StateColours:
    """Give texts colours in the order in which they are first seen, so that neighbours differ."""

    def __init__(self) -> None:
        """Start with no text known."""
        self._known: dict[str, Colour] = {}
        self._seen = 0

    def of(self, text: str) -> Colour:
        """Return the colour of `text`, the same as before if it is known."""
        if text not in self._known:
            self._known[text] = _nth(self._seen)
            self._seen += 1
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]
        return self._known[text]


def _nth(index: int) -> Colour:
    if index < len(_PALETTE):
        return _PALETTE[index]
    beyond = index - len(_PALETTE)
    lightness = (0.62, 0.72, 0.52)[beyond % 3]
    red, green, blue = colorsys.hls_to_rgb(beyond * _GOLDEN_ANGLE % 1.0, lightness, 0.55)
    return round(255 * red), round(255 * green), round(255 * blue)


def ink_on(colour: Colour) -> Colour:
    """Return near-black or white, whichever is easier to read on `colour`."""
    red, green, blue = colour
    return (16, 18, 22) if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else (255, 255, 255)
