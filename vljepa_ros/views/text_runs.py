# SPDX-License-Identifier: Apache-2.0
"""A text as runs: pieces of one font and one direction, from left to right.

Inside a run Pillow's layout engine joins and orders the letters. Here the runs are ordered, after
the levels of the Unicode Bidirectional Algorithm: a text reads in the direction of its first
letter, and a piece in the other direction stands in it as a whole. Letters that no font has are
spelled as escape codes, so that two texts never look the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple, TypeVar

from vljepa_ros.views.system_fonts import ROBOTO, FontFile, font_of, has_glyph

_Key = TypeVar("_Key")

_STRONG = {"L": False, "R": True, "AL": True}  # whether letters of this class read from the right
_OF_THEIR_NEIGHBOUR = ("EN", "AN", "NSM")  # digits and accents take the direction before them
_BLANK = ("Cf", "Zs")  # categories: joiners, spaces
_ATTACHED = ("Mn", "Mc", "Me", *_BLANK)  # also accents and vowel signs


class Run(NamedTuple):
    """A piece of text that is drawn at once."""

    file: FontFile
    text: str
    from_right: bool = False


@lru_cache(maxsize=1024)
def text_runs(text: str) -> tuple[Run, ...]:
    """Return the runs of a text from left to right."""
    if text.isascii():
        return (Run(ROBOTO, text),)
    text = "".join(map(_spelled, unicodedata.normalize("NFC", text)))
    groups = []
    for from_right, part in _pieces(_directions(text), text):
        runs = [Run(file, piece, from_right) for file, piece in _by_font(part)]
        groups.append(runs[::-1] if from_right else runs)
    if _base(text):
        groups.reverse()
    return tuple(run for group in groups for run in group)


def lacks_letters(text: str) -> bool:
    """Tell whether some letters of a text are spelled, because no font here has them."""
    return any(not _is_shown(character) for character in unicodedata.normalize("NFC", text))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) in _BLANK or font_of(character) is not None


def _spelled(character: str) -> str:
    return character if _is_shown(character) else character.encode("unicode_escape").decode()


def _base(text: str) -> bool:
    """Tell whether a text reads from the right: its first letter does."""
    found = (_STRONG.get(unicodedata.bidirectional(character)) for character in text)
    return next((one for one in found if one is not None), False)


def _directions(text: str) -> list[bool]:
    """Return for each character whether it reads from the right.

    What has no direction of its own, such as a space, takes that of both neighbours if they
    agree, and else that of the text.
    """
    base = _base(text)
    own: list[bool | None] = []
    last = base
    for kind in map(unicodedata.bidirectional, text):
        last = _STRONG.get(kind, last)
        own.append(last if kind in _STRONG or kind in _OF_THEIR_NEIGHBOUR else None)
    before, after = _nearest(own, base), _nearest(own[::-1], base)[::-1]
    return [left if left == right else base for left, right in zip(before, after, strict=True)]


def _nearest(own: Sequence[bool | None], base: bool) -> list[bool]:
    """Return the last direction up to each place; before the first, `base`."""
    last, found = base, []
    for one in own:
        last = last if one is None else one
        found.append(last)
    return found


def _pieces(keys: Sequence[_Key], text: str) -> Iterator[tuple[_Key, str]]:
    """Cut a text at each place at which the key of its characters changes."""
    for key, pairs in groupby(zip(keys, text, strict=True), lambda one: one[0]):
        yield key, "".join(character for _, character in pairs)


def _by_font(text: str) -> Iterator[tuple[FontFile, str]]:
    """Cut a text into pieces of one font; what stands between letters stays in their font."""
    letters = (font_of(one) for one in text if unicodedata.category(one) not in _ATTACHED)
    file = next(letters, None) or ROBOTO
    files = [file := _file_of(character, file) for character in text]
    return _pieces(files, text)


def _file_of(character: str, previous: FontFile) -> FontFile:
    if unicodedata.category(character) in _ATTACHED:
        return previous
    is_letter = unicodedata.bidirectional(character) in _STRONG
    if not is_letter and has_glyph(previous, character):
        return previous
    return font_of(character) or previous
