# SPDX-License-Identifier: Apache-2.0
"""A strip of states as pieces that are wide enough to be read.

An hour of short states drawn one by one is confetti. Here neighbours that are too narrow for a
number become one piece, which shows for which share of its time each text stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_NARROW = 16  # pixels; below, a segment has no room for its number
_WIDE_ENOUGH = 64  # pixels of narrow segments, after which the next piece begins


@dataclass
class Piece:
    """A part of a strip.

    Attributes:
        left: Its first pixel column.
        right: The column after its last.
        texts: Width in pixels of each text in it.
    """

    left: int
    right: int
    texts: Counter[str] = field(default_factory=Counter)

    @property
    def is_narrow(self) -> bool:
        """Whether there is no room for a number."""
        return self.right - self.left < _NARROW

    def layers(self, height: int) -> Iterator[tuple[str, int, int]]:
        """Yield each text with the rows that it gets of `height`, (text, first, end).

        The text that stood longest comes first and gets what rounding leaves.
        """
        total = sum(self.texts.values())
        rows = [(text, height * width // total) for text, width in self.texts.most_common()]
        first = 0
        rest = height - sum(share for _, share in rows)
        for text, share in rows:
            end = first + share + rest
            if end > first:
                yield text, first, end
            first, rest = end, 0


def pieces(segments: Iterable[tuple[int, int, str]]) -> list[Piece]:
    """Join neighbours that are narrow; a piece with one text is a segment as it was.

    Args:
        segments: (left, right, text) in pixel columns, from left to right.
    """
    found: list[Piece] = []
    joined = False  # whether the last piece takes more narrow ones
    for left, right, text in segments:
        narrow = right - left < _NARROW
        if narrow and joined and left - found[-1].right <= 1:
            last = found[-1]
            last.right = right
        else:
            last = Piece(left, right)
            found.append(last)
        last.texts[text] += right - left
        joined = narrow and last.right - last.left < _WIDE_ENOUGH
    return found
