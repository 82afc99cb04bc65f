# SPDX-License-Identifier: Apache-2.0
"""One label of a person, whatever file it was written in, and what is wrong with others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from vljepa_ros.stream.clean_text import whole_text

MOST_CHARACTERS = 200
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Footage:
    """What counts as one recording: a video, a folder of images, a bag's topic, or a part of one.

    Attributes:
        path: what is opened.
        topic: image topic of a bag; "" means that the bag's reader chooses.
        start: seconds from the first image of ``path`` at which it begins.
        end: seconds at which it ends; ``math.inf`` is the end of ``path``.
    """

    path: Path
    topic: str = ""
    start: float = 0.0
    end: float = math.inf

    def __str__(self) -> str:
        """Return the path, with the topic and the part if they are not all of it."""
        name = f"{self.path} {self.topic}".rstrip()
        whole = (self.start, self.end) == (0.0, math.inf)
        return name if whole else f"{name} [{self.start:g}..{self.end:g} s]"


@dataclass(frozen=True)
class Place:
    """Where a label was read: a file and a line of it; 0 is the file as a whole."""

    file: Path
    line: int = 0

    def __str__(self) -> str:
        """Return it as messages say it."""
        return f"{self.file}, line {self.line}" if self.line else str(self.file)


@dataclass(frozen=True)
class LabelRow:
    """A text that is true from ``start`` to ``end``.

    Attributes:
        footage: the recording.
        query: name of the query that the text answers; "" is the one that is taught if none is
            named.
        start: seconds from the beginning of the footage.
        end: seconds; ``math.inf`` is the end of the footage.
        text: the answer.
        place: where it was read.
        columns: other fields of the row by name; one of them may say the group.
    """

    footage: Footage
    query: str
    start: float
    end: float
    text: str
    place: Place
    columns: Mapping[str, str] = field(default_factory=lambda: _NOTHING, hash=False)


@dataclass(frozen=True)
class LabelFault:
    """A row that cannot be used, and why."""

    place: Place
    cause: str


class RowError(ValueError):
    """A row cannot be used; the text says why."""


def label_text(text: str) -> str:
    """Return a label on one line.

    Raises:
        RowError: it is empty or too long.
    """
    try:
        clean = whole_text(text, MOST_CHARACTERS)
    except ValueError as error:
        raise RowError(f"the text {error}") from error
    if not clean:
        raise RowError("the text is empty")
    return clean


def seconds(text: str, name: str) -> float:
    """Return a time that is written in seconds, as ``mm:ss`` or as ``hh:mm:ss``.

    Raises:
        RowError: it is none.
    """
    parts = text.strip().replace(",", ".").split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    good = 0 < len(numbers) <= 3 and all(0 <= number < math.inf for number in numbers)
    if not good:
        raise RowError(f"{name} {text!r} is no time: write seconds, mm:ss or hh:mm:ss")
    return sum(number * 60.0**power for power, number in enumerate(reversed(numbers)))
