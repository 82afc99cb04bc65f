# SPDX-License-Identifier: Apache-2.0
"""Which recordings teach and which test, and what everybody gets from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.teach.contestants import CONTESTANTS, Trial
from benchmarks.teach.score import Score, score
from vljepa_ros.teaching.taught_recording import Lessons

_ORDER = 0  # seed of the order of recordings: the first part of it tests, the rest teaches


@dataclass(frozen=True)
class Result:
    """The scores of one contestant on one data set.

    Attributes:
        data: name of the data set.
        episodes: how many recordings taught.
        contestant: name of what was taught.
        scores: one for each draw of recordings.
    """

    data: str
    episodes: int
    contestant: str
    scores: tuple[Score, ...]

    def median(self) -> Score:
        """Return the medians over the draws."""
        exact, near = np.median(np.array(self.scores), 0)
        return Score(float(exact), float(near))


Split = tuple[Lessons, Lessons]
"""What teaches, and what tests."""


def draws(lessons: Lessons, episodes: int, tested: int, count: int) -> Iterator[Split]:
    """Yield splits: ``tested`` recordings that always test, ``episodes`` of the others teach."""
    order = np.random.default_rng(_ORDER).permutation(len(lessons.recordings))
    test, pool = order[:tested], order[tested:]
    for draw in range(count):
        chosen = np.random.default_rng([_ORDER, draw]).permutation(pool)[:episodes]
        yield _part(lessons, chosen), _part(lessons, test)


def folds(lessons: Lessons, count: int) -> Iterator[Split]:
    """Yield splits: the recordings of one group test, those of all others teach."""
    groups = sorted({one.group for one in lessons.recordings})
    for left_out in groups[:count]:
        test = [n for n, one in enumerate(lessons.recordings) if one.group == left_out]
        rest = [n for n, one in enumerate(lessons.recordings) if one.group != left_out]
        yield _part(lessons, rest), _part(lessons, test)


def compare(
    data: str,
    episodes: int,
    splits: Sequence[Split],
    contestants: Sequence[str],
    trial_of: Callable[[Split], Trial],
) -> list[Result]:
    """Teach all contestants with the same splits."""
    scores: dict[str, list[Score]] = {name: [] for name in contestants}
    for split in splits:
        trial = trial_of(split)
        for name in contestants:
            found = score(CONTESTANTS[name](trial), trial.tested_clips)
            scores[name].append(found)
            print(f"{data}, {episodes} episodes, {name}: {100 * found.exact:.1f} %", flush=True)
    return [Result(data, episodes, name, tuple(found)) for name, found in scores.items()]


def _part(lessons: Lessons, numbers: Sequence[int]) -> Lessons:
    return replace(lessons, recordings=tuple(lessons.recordings[n] for n in numbers))
