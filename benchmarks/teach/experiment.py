# SPDX-License-Identifier: Apache-2.0
"""Which recordings teach and which test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.teach.score import Score
from vljepa_ros.teaching.taught_recording import Lessons

_SEED = 0


@dataclass(frozen=True)
class Result:
    """What one contestant got from one draw.

    Attributes:
        data: name of the data set.
        episodes: how many recordings taught.
        draw: number of the draw.
        contestant: name of what was taught.
        score: on the recordings that test.
    """

    data: str
    episodes: int
    draw: int
    contestant: str
    score: Score


@dataclass(frozen=True)
class Split:
    """What teaches, and what tests."""

    taught: Lessons
    tested: Lessons


def drawn(lessons: Lessons, episodes: int, tested: int, draw: int) -> Split:
    """Return a split: the first ``tested`` recordings test, ``episodes`` of the others teach."""
    pool = np.arange(tested, len(lessons.recordings))
    chosen = np.random.default_rng([_SEED, draw]).permutation(pool)[:episodes]
    return Split(_part(lessons, chosen.tolist()), _part(lessons, range(tested)))


def turned(lessons: Lessons, places: int) -> Lessons:
    """Return the recordings with the first ``places`` ones at the end."""
    return replace(lessons, recordings=lessons.recordings[places:] + lessons.recordings[:places])


def left_out(lessons: Lessons, draw: int) -> Split:
    """Return a split: the recordings of one group test, those of all others teach."""
    group = sorted({one.group for one in lessons.recordings})[draw]
    numbers = range(len(lessons.recordings))
    test = [n for n in numbers if lessons.recordings[n].group == group]
    rest = [n for n in numbers if lessons.recordings[n].group != group]
    return Split(_part(lessons, rest), _part(lessons, test))


def shuffled(lessons: Lessons) -> Lessons:
    """Return the recordings in an order that says nothing about them."""
    order = np.random.default_rng(_SEED).permutation(len(lessons.recordings))
    return _part(lessons, order.tolist())


def _part(lessons: Lessons, numbers: Sequence[int]) -> Lessons:
    return replace(lessons, recordings=tuple(lessons.recordings[n] for n in numbers))
