# SPDX-License-Identifier: Apache-2.0
"""From the moments at which a state changed to the sentences about it.

It decides what is worth saying: a change of the embedding that leads to the same words is no news,
and a state that is told again keeps the time at which it began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import Decode, Reason
from vljepa_ros.stream.text import clean_text


@dataclass(frozen=True)
class Told:
    """One description of one query; the fields are those of StateDescription."""

    text: str
    previous_text: str
    since_ns: int
    score: float
    seq: int


class Narrator:
    """Keeps the current state of every query. For one thread."""

    def __init__(self, phrases: PhraseBank) -> None:
        """Start without a state; ``phrases`` holds the words."""
        self._phrases = phrases
        self._current: dict[str, Told] = {}

    @property
    def states(self) -> dict[str, str]:
        """The current text of every query."""
        return {query: told.text for query, told in self._current.items()}

    def tell(self, query: str, decode: Decode) -> Told | None:
        """Describe a state, or return None where a change led to the words that stand already.

        Raises:
            ValueError: the embedding has another dimension than the phrases.
        """
        phrase = self._phrases.best(query, decode.embedding)
        text = clean_text(phrase.text)
        before = self._current.get(query)
        seq = 0 if before is None else before.seq + 1
        if before is None or decode.reason is Reason.FIRST:
            told = Told(text, "", decode.since_ns, phrase.score, seq)
        elif text != before.text:
            told = Told(text, before.text, decode.since_ns, phrase.score, seq)
        elif decode.reason is Reason.CHANGE:
            return None
        else:
            told = replace(before, score=phrase.score, seq=seq)
        self._current[query] = told
        return told
