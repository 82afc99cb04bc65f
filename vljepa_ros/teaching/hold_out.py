# SPDX-License-Identifier: Apache-2.0
"""Which recordings are held out: whole groups, never clips, so that nothing leaks.

Neighbouring clips are nearly the same images; a figure on clips beside those that were taught says
how well the model remembers. Groups are chosen so that every text is both taught and measured, as
far as that is possible.

What says when learning ends is no test any more. So if there are enough recordings, some more are
taken out for that; if not, only what needs no such check is learned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from vljepa_ros.teaching.label_row import LabelRow
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording

SHARE = 0.25
"""The share of the groups that is held out if nothing else is asked for."""

CHECKED_SHARE, ENOUGH = 0.15, 20
"""The share of the other groups that says when to stop, and how many of them there must be."""

_TRIES = 200
_Text = tuple[str, int]  # a query and the number of its text


@dataclass(frozen=True)
class SplitLessons:
    """Lessons of the same queries and texts.

    Attributes:
        taught: what the model learns.
        checked: what says when it has learned enough; there may be none.
        held_out: what it is measured on.
    """

    taught: Lessons
    checked: Lessons
    held_out: Lessons


def group_by(rule: str) -> Callable[[LabelRow], str]:
    """Return what tells the group of a label's recording.

    Args:
        rule: name of a column of the labels, or a regular expression that is looked for in the
            path of the recording: what its bracket (or all of it) finds is the group. "" makes
            every recording a group of its own.

    Raises:
        ValueError: it is no regular expression.
    """
    pattern = _compiled(rule)

    def group(row: LabelRow) -> str:
        if not rule:
            return str(row.footage)
        if rule in row.columns:
            return row.columns[rule]
        found = pattern.search(str(row.footage.path))
        if found is None:
            raise ValueError(
                f"{row.place}: {rule!r} is neither a column nor found in {row.footage.path}"
            )
        return found[found.lastindex or 0]

    return group


def split_lessons(lessons: Lessons, held_out: str = "", seed: int = 0) -> SplitLessons:
    """Hold out some groups, if each text is still taught then; else nothing is held out.

    Args:
        lessons: all recordings.
        held_out: a regular expression; groups and recordings that it is found in are held out.
            "" chooses about a quarter.
        seed: of the choice.

    Raises:
        ValueError: the expression holds out nothing or all.
    """
    recordings = lessons.recordings
    measured = _named(lessons, held_out) if held_out else _chosen(recordings, SHARE, seed)
    rest = tuple(one for one in recordings if one.group not in measured)
    checked = checked_groups(rest, seed)
    parts = (
        tuple(one for one in rest if one.group not in checked),
        tuple(one for one in rest if one.group in checked),
        tuple(one for one in recordings if one.group in measured),
    )
    return SplitLessons(*(replace(lessons, recordings=part) for part in parts))


def checked_groups(recordings: Sequence[TaughtRecording], seed: int = 0) -> set[str]:
    """Return the groups that say when learning ends: a few of many, none of a few."""
    many = len({one.group for one in recordings}) >= ENOUGH
    return _chosen(recordings, CHECKED_SHARE, seed) if many else set()


def _compiled(rule: str) -> re.Pattern[str]:
    try:
        return re.compile(rule)
    except re.error as error:
        raise ValueError(f"{rule!r} is no regular expression: {error}") from error


def _named(lessons: Lessons, rule: str) -> set[str]:
    pattern = _compiled(rule)
    found = {
        one.group
        for one in lessons.recordings
        if pattern.search(one.group) or pattern.search(one.name)
    }
    if not found or len(found) == len({one.group for one in lessons.recordings}):
        which = "all" if found else "none"
        raise ValueError(f"--held-out {rule!r} is found in {which} of the groups")
    return found


def _chosen(recordings: Sequence[TaughtRecording], share: float, seed: int) -> set[str]:
    """Return the best of some random choices of groups: all texts on both sides, and even.

    It is empty if some text would not be taught: a model that does not know it is of no use.
    """
    groups = _texts_of_groups(recordings)
    if len(groups) < 2:
        return set()
    random, count = Random(seed), max(1, round(share * len(groups)))
    tries = [set(random.sample(sorted(groups), count)) for _ in range(_TRIES)]
    best = max(tries, key=lambda chosen: _worth(groups, chosen, share))
    texts = {text for counts in groups.values() for text in counts}
    return best if _worth(groups, best, share)[0] == len(texts) else set()


def _texts_of_groups(recordings: Iterable[TaughtRecording]) -> dict[str, Counter[_Text]]:
    """Return how many images of each group have each text."""
    groups: dict[str, Counter[_Text]] = {}
    for one in recordings:
        counts = groups.setdefault(one.group, Counter())
        for query, labels in one.labels.items():
            counts.update((query, int(n)) for n in labels[labels != UNLABELLED])
    return groups


def _worth(
    groups: dict[str, Counter[_Text]], chosen: set[str], share: float
) -> tuple[int, int, float]:
    """Rate a choice: texts that are taught, texts that are measured, evenness of the shares."""
    total: Counter[_Text] = sum(groups.values(), Counter())
    held: Counter[_Text] = sum((groups[group] for group in chosen), Counter())
    taught = sum(held[text] < count for text, count in total.items())
    measured = sum(held[text] > 0 for text in total)
    uneven = sum(abs(held[text] / count - share) for text, count in total.items())
    return taught, measured, -uneven
