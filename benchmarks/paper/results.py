# SPDX-License-Identifier: Apache-2.0
"""What was measured, in a file that a stopped command continues."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vljepa_ros.files import new_file

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """Some figures of one contestant.

    Attributes:
        comparison: what it was measured for; the name of a trained contestant's run is "trained",
            for several comparisons show it.
        contestant: its name.
        seed: of the training; 0 if nothing was trained.
        clips: that it was trained on so far; 0 if nothing was trained.
        figures: by name.
    """

    comparison: str
    contestant: str
    seed: int
    clips: int
    figures: Figures


class Results:
    """All results; every addition is written at once."""

    def __init__(self, file: Path) -> None:
        """Read what an earlier command left in the file, if there is one."""
        self._file = file
        rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
        self._all = [Result(**row) for row in rows]

    def __iter__(self) -> Iterator[Result]:
        return iter(self._all)

    def of(self, comparison: str) -> list[Result]:
        """Return the results of a comparison, in the order in which they came."""
        return [one for one in self._all if one.comparison == comparison]

    def add(self, results: Iterable[Result]) -> None:
        """Add results in place of older ones of the same, and write all."""
        merged = {_key(one): one for one in (*self._all, *results)}
        self._all = list(merged.values())
        with new_file(self._file) as stream:
            rows = [vars(one) for one in self._all]
            stream.write((json.dumps(rows, indent=1) + "\n").encode())


def _key(result: Result) -> tuple[str, str, int, int]:
    return result.comparison, result.contestant, result.seed, result.clips
