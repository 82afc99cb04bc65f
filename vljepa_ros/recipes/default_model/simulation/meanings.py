# SPDX-License-Identifier: Apache-2.0
"""What a label means: a kind of the wordings, and the things that it is about.

"act:pulls the drawer open" and "task:opening the drawer" both mean opening, about the drawer, so
everything that can be said of opening can be said of them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from vljepa_ros.recipes.default_model.simulation.verbs import VERBS, participle
from vljepa_ros.recipes.default_model.simulation.wordings import PREDICATES

_PREPOSITION = r"\b(?:in|into|on|onto|to|toward|under|with|from|of|out|off|across)\b"
_ADVERBS = ("open", "shut", "closed", "up", "down", "back", "away", "round", "forward")
_NO_ADVERB = "".join(rf"(?<! {adverb})" for adverb in _ADVERBS)
_THING = rf"((?:the|a|an) (?:(?!{_PREPOSITION}).)+{_NO_ADVERB})"  # "the open drawer"
_THIRD_PERSON = {verb.ing: third for third, verb in VERBS.items()}

# kinds of labels that no wording fits; they are said as they stand
IN_OWN_WORDS = ("act", "task", "said")


class Meaning(NamedTuple):
    """A kind of the wordings, and the arguments that fill their places."""

    kind: str
    arguments: tuple[str, ...]


@cache
def meaning_of(label: str) -> Meaning:
    """Return what a label means; the kind of one that no wording fits is its own."""
    kind, _, argument = label.partition(":")
    if label == "holds:nothing":
        return Meaning("holds nothing", ())
    if kind == "act":
        return of_predicate(argument) or Meaning(kind, (argument,))
    if kind == "task":
        return of_goal(argument) or Meaning(kind, (argument,))
    if kind in ("state", "said"):
        return Meaning(kind, (argument,))
    return Meaning(kind, tuple(argument.split("|")) if argument else ())


def split_state(sentence: str) -> tuple[str, str]:
    """Return "the drawer" and "is open" of "the drawer is open"; the whole and "" of others."""
    found = re.search(r" (is|has been) ", sentence)
    return (sentence[: found.start()], sentence[found.start() + 1 :]) if found else (sentence, "")


def of_goal(goal: str) -> Meaning | None:
    """Return the meaning of "opening the drawer", or None if no wording fits."""
    first, _, rest = goal.partition(" ")
    return of_predicate(f"{_THIRD_PERSON[first]} {rest}") if first in _THIRD_PERSON else None


def goal_of(meaning: Meaning) -> str:
    """Return "opening the drawer" of its meaning."""
    return participle(PREDICATES[meaning.kind].trained[0].format(*meaning.arguments))


def of_predicate(predicate: str) -> Meaning | None:
    """Return the meaning of "pulls the drawer open", or None if no wording fits.

    The pattern with the most words of its own counts; of equal ones the last, more special one.
    """
    best, words = None, 0
    for kind, pattern, expression in _expressions():
        match = expression.fullmatch(predicate)
        if match and len(pattern.split()) >= words:
            best, words = Meaning(kind, match.groups()), len(pattern.split())
    return best


@cache
def _expressions() -> list[tuple[str, str, re.Pattern[str]]]:
    """Return every predicate's kind, pattern and regular expression."""
    return [
        (kind, pattern, re.compile(re.sub(r"\\{[01]\\}", lambda _: _THING, re.escape(pattern))))
        for kind, wordings in PREDICATES.items()
        for pattern in wordings.trained
        if "{0}" in pattern
    ]
