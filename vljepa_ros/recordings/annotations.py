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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from vljepa_ros.fields import FieldReader

_T = TypeVar("_T")
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


def _read(file: Path, parse: Callable[[FieldReader], _T]) -> list[_T]:
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


def _object(text: bytes) -> FieldReader:
    try:
        return FieldReader(json.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _asked(line: FieldReader) -> Asked:
    answers, answer = _texts(line, "answers"), _text(line, "answer")
    if len(set(answers)) < max(2, len(answers)):
        raise ValueError(f"answers must be two or more different texts, not {list(answers)}")
    if answer not in answers:
        raise ValueError(f"answer {answer!r} is none of answers")
    return Asked(_span(line), _text(line, "question"), answers, answer)


def _answered(line: FieldReader, span: Span) -> Answered:
    return Answered(span, _text(line, "answer"), _optional_text(line, "query"))


def _captions(line: FieldReader) -> tuple[str, ...]:
    return _texts(line, "captions") if line.gives("captions") else (_text(line, "caption"),)


def _span(line: FieldReader) -> Span:
    clip = _text(line, "clip")
    path = PurePosixPath(clip)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"clip {clip!r} must be a path below the folder of clips")
    return _part(line, clip)


def _part(line: FieldReader, clip: str) -> Span:
    start, end = _seconds(line, "start", 0.0), _seconds(line, "end", math.inf)
    if end < start:
        raise ValueError(f"end {end:g} is before start {start:g}")
    return Span(clip, start, end, _optional_text(line, "topic"))


def _text(line: FieldReader, key: str) -> str:
    return line.text(key).strip()


def _optional_text(line: FieldReader, key: str) -> str:
    return line.optional(key, line.text, "").strip()


def _texts(line: FieldReader, key: str) -> tuple[str, ...]:
    texts = tuple(text.strip() for text in line.text_list(key))
    if not texts:
        raise ValueError(f"{key} must hold at least one text")
    return texts


def _seconds(line: FieldReader, key: str, default: float) -> float:
    if not line.gives(key):
        return default
    seconds = line.amount(key)
    if seconds > _LATEST_S:
        raise ValueError(f"{key} must be seconds from the first image, not {seconds:g}")
    return seconds
