# SPDX-License-Identifier: Apache-2.0
"""What the right answers are, task by task: lines of :mod:`vljepa_ros.recordings.annotations`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vljepa_ros.recordings.annotations import Fields, Span, read_lines, span_of, text_of, texts_of


@dataclass(frozen=True)
class Labelled:
    """A clip and its class."""

    span: Span
    label: str


@dataclass(frozen=True)
class Captioned:
    """A clip and one or more sentences that describe it."""

    span: Span
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """A question about a clip, candidate answers, and the right one of them."""

    span: Span
    question: str
    answers: tuple[str, ...]
    answer: str


def read_labels(file: Path) -> list[Labelled]:
    """Read lines with ``label``.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    return read_lines(file, lambda line: Labelled(span_of(line), text_of(line, "label")))


def read_captions(file: Path) -> list[Captioned]:
    """Read lines with ``caption`` or ``captions``; lines about the same span become one.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    by_span: dict[Span, tuple[str, ...]] = {}
    for span, captions in read_lines(file, lambda line: (span_of(line), _captions(line))):
        by_span[span] = by_span.get(span, ()) + captions
    return [Captioned(span, captions) for span, captions in by_span.items()]


def read_questions(file: Path) -> list[Asked]:
    """Read lines with ``question``, ``answers`` and ``answer``.

    Raises:
        AnnotationError: a line cannot be used, or there is none.
        OSError: the file cannot be read.
    """
    return read_lines(file, _asked)


def _asked(line: Fields) -> Asked:
    answers, answer = texts_of(line, "answers"), text_of(line, "answer")
    if len(set(answers)) < max(2, len(answers)):
        raise ValueError(f"'answers' must be two or more different texts, not {list(answers)}")
    if answer not in answers:
        raise ValueError(f"'answer' {answer!r} is none of 'answers'")
    return Asked(span_of(line), text_of(line, "question"), answers, answer)


def _captions(line: Fields) -> tuple[str, ...]:
    return texts_of(line, "captions") if "captions" in line else (text_of(line, "caption"),)
