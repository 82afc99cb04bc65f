# SPDX-License-Identifier: Apache-2.0
"""The Y-Decoder's vocabulary: sentences as numbers of words, and back without loss.

A piece is a word or a mark with the space that stands before it, so pieces are joined as they are.
Number 0 ends a sentence; number n is piece n - 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

END = 0

_PIECE = re.compile(r" ?(?:\w+(?:['’]\w+)*|[^\w\s])")


def pieces_of(sentence: str) -> list[str]:
    """Cut a sentence into pieces; runs of white space count as one space."""
    return _PIECE.findall(" " + " ".join(sentence.split()))


class Vocabulary:
    """The pieces that a decoder knows."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = tuple(pieces)
        self._numbers = {piece: number for number, piece in enumerate(self._pieces, start=1)}

    @staticmethod
    def of(sentences: Iterable[str]) -> Vocabulary:
        """Collect the pieces of sentences, in a fixed order."""
        return Vocabulary(sorted({piece for each in sentences for piece in pieces_of(each)}))

    @property
    def pieces(self) -> tuple[str, ...]:
        """All pieces, by number - 1."""
        return self._pieces

    def numbers(self, sentence: str) -> list[int]:
        """Return the numbers of a sentence's pieces and the end.

        Raises:
            ValueError: a piece is not known.
        """
        found = pieces_of(sentence)
        if unknown := [piece.strip() for piece in found if piece not in self._numbers]:
            raise ValueError(f"{sentence!r}: {unknown[0]!r} is no word that is known")
        return [*(self._numbers[piece] for piece in found), END]

    def text(self, numbers: Iterable[int]) -> str:
        """Join what stands before the end."""
        before_end: list[str] = []
        for number in numbers:
            if number == END:
                break
            before_end.append(self._pieces[number - 1])
        return "".join(before_end).strip()
