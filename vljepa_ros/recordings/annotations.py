# SPDX-License-Identifier: Apache-2.0
"""What is known about clips, as one JSON object per line of a text file.

Every line names a ``clip`` below the folder of clips and perhaps ``start`` and ``end`` in seconds
from its first image. What else it needs depends on the use; further fields are left alone, so one
file may serve several.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

_T = TypeVar("_T")
Fields = Mapping[str, Any]


class AnnotationError(ValueError):
    """An annotation cannot be used; the message says where it stands and why."""


@dataclass(frozen=True)
class Span:
    """A part of a clip: ``start`` to ``end`` in seconds from its first image, both included."""

    clip: str
    start: float = 0.0
    end: float = math.inf

    def __str__(self) -> str:
        """Return the clip's name, and the times where they are not the whole clip."""
        if (self.start, self.end) == (0.0, math.inf):
            return self.clip
        end = "" if math.isinf(self.end) else f"{self.end:g}"
        return f"{self.clip} [{self.start:g}..{end} s]"


def read_lines(file: Path, parse: Callable[[Fields], _T]) -> list[_T]:
    """Parse every line of a file that is not blank.

    Raises:
        AnnotationError: ``parse`` raised a ValueError, a line is no object, or there is none.
        OSError: the file cannot be read.
    """
    items = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                items.append(parse(parse_object(line)))
            except ValueError as error:
                raise AnnotationError(f"{file}, line {number}: {error}") from error
    if not items:
        raise AnnotationError(f"{file} holds no annotation: one JSON object per line is expected")
    return items


def parse_object(text: bytes) -> Fields:
    """Return a JSON object, or raise ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is expected, not {value!r}")
    return value


def span_of(fields: Fields) -> Span:
    """Return the span of a clip below the folder of clips, or raise ValueError."""
    clip = text_of(fields, "clip")
    path = PurePosixPath(clip)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'clip' {clip!r} must be a path below the folder of clips")
    return Span(clip, *times_of(fields))


def times_of(fields: Fields) -> tuple[float, float]:
    """Return ``start`` and ``end`` in seconds, or raise ValueError."""
    start, end = _seconds(fields, "start", 0.0), _seconds(fields, "end", math.inf)
    if end < start:
        raise ValueError(f"'end' {end:g} is before 'start' {start:g}")
    return start, end


def text_of(fields: Fields, key: str) -> str:
    """Return the text of a field without blanks around it, or raise ValueError."""
    return _checked(key, fields.get(key))


def texts_of(fields: Fields, key: str) -> tuple[str, ...]:
    """Return the texts, one at least, of a field, or raise ValueError."""
    values = fields.get(key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{key!r} must be a list of texts, not {values!r}")
    return tuple(_checked(key, value) for value in values)


def _checked(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key!r} must be a text, not {value!r}")
    return value.strip()


def _seconds(fields: Fields, key: str, default: float) -> float:
    value = fields.get(key)
    if value is None:
        return default
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:
        raise ValueError(f"{key!r} must be seconds from 0 on, not {value!r}")
    return float(value)
