# SPDX-License-Identifier: Apache-2.0
"""The rows of the table, those first that say the most: data, taught episodes and draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.teach.datasets import droid, fetch, franka_lab, g1_phases
from benchmarks.teach.experiment import Split, drawn, left_out, shuffled, turned
from vljepa_ros.teaching.taught_recording import Lessons

G1, FRANKA, DROID, FETCH = "G1", "Franka lab", "DROID", "Fetch, simulated"
SETS = (G1, FRANKA, DROID, FETCH)
_TESTED = {G1: 12, FRANKA: 4, FETCH: 15}
_OTHER_ROOMS = 0  # stands for "all recordings of the other groups"
_FETCH_POOL = 60  # from which so many or fewer episodes are drawn

_SEVERAL, _ONE = 99, 1  # draws; if all that do not test teach, there is one
_ORDER = (
    (G1, (3, 5, 10), _SEVERAL),
    (FRANKA, (9,), _SEVERAL),
    (DROID, (_OTHER_ROOMS,), _SEVERAL),
    (FETCH, (20, 5), _SEVERAL),
    (G1, (18,), _ONE),
    (FETCH, (60, 200), _ONE),
    (G1, (1,), _SEVERAL),
    (FRANKA, (1, 3, 5), _SEVERAL),
)


@dataclass(frozen=True)
class Row:
    """One draw of taught episodes."""

    data: str
    episodes: int
    draw: int


def rows(sets: Iterable[str], only: Iterable[int], draws: int) -> Iterator[Row]:
    """Yield the rows of data sets.

    Args:
        sets: names of data sets.
        only: numbers of episodes; none is all.
        draws: of every number; fewer if there is only one way to draw.
    """
    for data, numbers, most in _ORDER:
        if data in sets:
            for draw in range(min(draws, most)):
                yield from (Row(data, n, draw) for n in numbers if not only or n in only)


class Material:
    """Reads the recordings of rows when they are needed."""

    def __init__(self, real: Path | None, fetch_folder: Path | None) -> None:
        """Take the folders; None is absent."""
        self._real, self._fetch = real, fetch_folder

    def absent(self, data: str) -> str:
        """Return why a data set cannot be read, or "" if it can."""
        if data == FETCH:
            return "" if self._fetch else "--fetch names no folder"
        return "" if self._real and self._real.is_dir() else f"--real is no folder: {self._real}"

    def split(self, row: Row) -> Split:
        """Return what teaches and tests."""
        lessons = self.lessons(row.data, row.episodes)
        if row.data == DROID:
            return left_out(lessons, row.draw)
        tested = _TESTED[row.data]
        if row.data == FRANKA:  # few can test: others in every draw
            lessons = turned(lessons, tested * row.draw)
        return drawn(lessons, row.episodes, tested, row.draw)

    def lessons(self, data: str, episodes: int = 0) -> Lessons:
        """Return all recordings of a data set; if they are rendered, at least ``episodes``."""
        count = _TESTED[FETCH] + max(episodes, _FETCH_POOL) if data == FETCH else 0
        return _read(data, (self._fetch if data == FETCH else self._real) or Path(), count)


@cache
def _read(data: str, folder: Path, count: int) -> Lessons:
    readers: dict[str, Callable[[], Lessons]] = {
        G1: lambda: shuffled(g1_phases(folder)),
        FRANKA: lambda: shuffled(franka_lab(folder)),
        DROID: lambda: droid(folder),
        FETCH: lambda: fetch(folder, count),
    }
    return readers[data]()
