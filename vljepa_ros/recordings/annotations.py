# SPDX-License-Identifier: Apache-2.0
"""What is known about clips, as one JSON object per line of a text file.

Every line names a ``clip`` below the folder of clips: a video, an image file, a folder of images
or a bag. It may have ``start`` and ``end`` in seconds from the first image, and ``topic``, the
image topic of a bag. What else it needs depends on the use. Other fields are left alone, so one
file may serve several uses:

- classification: ``label``
- retrieval and captions: ``caption``, or ``captions``, a list
- questions with candidates: ``question``, ``answers``, a list, and ``answer``, one of them
- training: ``answer``, and perhaps ``query``
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

_LATEST_S = 1e9  # thirty years


class AnnotationError(ValueError):
    """An annotation cannot be used; the message names its file and line, and says why."""


@dataclass(frozen=True)
class Span:
    """A part of a clip.

    Attributes:
        clip: path below the folder of clips.
        start: seconds from the first image.
        end: seconds from the first image; ``math.inf`` is the end of the clip.
        topic: image topic of a bag; "" means that the bag's reader chooses.
    """

    clip: str
    start: float = 0.0
    end: float = math.inf
    topic: str = ""

    def __str__(self) -> str:
        """Return the clip's name, its topic, and the times if they are not the whole clip."""
        name = f"{self.clip} {self.topic}".rstrip()
        if (self.start, self.end) == (0.0, math.inf):
            return name
        end = "" if math.isinf(self.end) else f"{self.end:g}"
        return f"{name} [{self.start:g}..{end} s]"


@dataclass(frozen=True)
class Labelled:
    """A part of a clip and its class."""

    span: Span
    label: str


@dataclass(frozen=True)
class Captioned:
    """A part of a clip and one or more sentences that describe it."""

    span: Span
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question about a part of a clip, candidate answers, and the right one of them."""

    span: Span
    question: str
    answers: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Answered:
    """A part of a clip, an answer, and the query that it answers; "" is none."""

    span: Span
    answer: str
    query: str = ""


def read_labels(file: Path) -> list[Labelled]:
    """Read lines with ``label``.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    return _read(file, lambda line: Labelled(_span(line), _text(line, "label")))


def read_captions(file: Path) -> list[Captioned]:
    """Read lines with ``caption`` or ``captions``; lines about the same span become one.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    by_span: dict[Span, tuple[str, ...]] = {}
    for span, captions in _read(file, lambda line: (_span(line), _captions(line))):
        by_span[span] = by_span.get(span, ()) + captions
    return [Captioned(span, captions) for span, captions in by_span.items()]


def read_questions(file: Path) -> list[Asked]:
    """Read lines with ``question``, ``answers`` and ``answer``.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    return _read(file, _asked)


def read_answers(file: Path) -> list[Answered]:
    """Read lines with ``answer`` and perhaps ``query``.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    return _read(file, lambda line: _answered(line, _span(line)))


def answer_about(clip: str, text: bytes) -> Answered:
    """Return the answer that a JSON object without ``clip`` gives.

    Args:
        clip: what the clip is called in messages.
        text: the object: ``answer``, and perhaps ``query``, ``start``, ``end`` and ``topic``.

    Raises:
        ValueError: there is no answer, or a field is not what it should be.
    """
    fields = _object(text)
    return _answered(fields, _part(fields, clip))


def _read(file: Path, parse: Callable[[Fields], _T]) -> list[_T]:
    """Parse every line of a file that is not blank."""
    items = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                items.append(parse(_object(line)))
            except ValueError as error:
                raise AnnotationError(f"{file}, line {number}: {error}") from error
    if not items:
        raise AnnotationError(f"{file} holds no annotation: one JSON object per line is expected")
    return items


def _object(text: bytes) -> Fields:
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is expected, not {value!r}")
    return value


def _asked(line: Fields) -> Asked:
    answers, answer = _texts(line, "answers"), _text(line, "answer")
    if len(set(answers)) < max(2, len(answers)):
        raise ValueError(f"'answers' must be two or more different texts, not {list(answers)}")
    if answer not in answers:
        raise ValueError(f"'answer' {answer!r} is none of 'answers'")
    return Asked(_span(line), _text(line, "question"), answers, answer)


def _answered(fields: Fields, span: Span) -> Answered:
    return Answered(span, _text(fields, "answer"), _optional_text(fields, "query"))


def _captions(line: Fields) -> tuple[str, ...]:
    return _texts(line, "captions") if "captions" in line else (_text(line, "caption"),)


def _span(line: Fields) -> Span:
    clip = _text(line, "clip")
    path = PurePosixPath(clip)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'clip' {clip!r} must be a path below the folder of clips")
    return _part(line, clip)


def _part(fields: Fields, clip: str) -> Span:
    start, end = _seconds(fields, "start", 0.0), _seconds(fields, "end", math.inf)
    if end < start:
        raise ValueError(f"'end' {end:g} is before 'start' {start:g}")
    return Span(clip, start, end, _optional_text(fields, "topic"))


def _text(fields: Fields, key: str) -> str:
    return _checked(key, fields.get(key))


def _optional_text(fields: Fields, key: str) -> str:
    return "" if fields.get(key) is None else _text(fields, key)


def _texts(fields: Fields, key: str) -> tuple[str, ...]:
    values = fields.get(key)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{key!r} must be a list of texts, not {values!r}")
    return tuple(_checked(key, value) for value in values)


def _checked(key: str, value: Any) -> str:
    """Return a text without blanks around it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{key!r} must be a text, not {value!r}")
    return value.strip()


def _seconds(fields: Fields, key: str, default: float) -> float:
    value = fields.get(key)
    if value is None:
        return default
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= _LATEST_S:
        raise ValueError(f"{key!r} must be seconds from 0 on, not {value!r}")
    return float(value)
