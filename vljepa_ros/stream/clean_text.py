# SPDX-License-Identifier: Apache-2.0
"""Makes untrusted texts harmless for logs, RViz and messages.

A query comes over a service and a phrase from a file. Either may hold line breaks that forge log
lines, control characters that a terminal obeys, marks that reverse the writing direction, or a
megabyte of anything.
"""

from __future__ import annotations

import unicodedata

_ELLIPSIS = "…"
_JOINERS = frozenset("\u200c\u200d")  # Part of the spelling in several scripts, and of emoji.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co"})


def clean_text(text: str, limit: int = 200) -> str:
    """Return ``text`` on one line of at most ``limit`` characters, without control characters.

    Runs of white space become one space. A text that was cut ends in an ellipsis.
    """
    head = " ".join(text[: 4 * limit].split())
    clean = "".join(character for character in head if _is_harmless(character))
    clean = " ".join(clean.split())
    if len(clean) > limit or len(text) > 4 * limit:
        return clean[: limit - 1].rstrip() + _ELLIPSIS
    return clean


class TextTooLongError(ValueError):
    """A text has more characters than are taken, and would have to be cut."""


def whole_text(text: str, limit: int) -> str:
    """Return ``text`` as :func:`clean_text` does, but never cut: a part of it means another thing.

    Raises:
        TextTooLongError: it has more than ``limit`` characters.
    """
    clean = clean_text(text, limit=2 * limit)  # what is cut here is too long in any case
    if len(clean) > limit or len(text) > 8 * limit:
        raise TextTooLongError(f"{clean[:16]!r}... is longer than {limit} characters")
    return clean


def _is_harmless(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) not in _HARMFUL
