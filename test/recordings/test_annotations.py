# SPDX-License-Identifier: Apache-2.0
"""Annotation files: what they may hold, and how errors are named."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from vljepa_ros.recordings.annotations import (
    AnnotationError,
    Answered,
    Asked,
    Captioned,
    Labelled,
    Span,
    read_answers,
    read_captions,
    read_labels,
    read_questions,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "annotations.jsonl"


def test_labels_are_read_with_and_without_times(file: Path) -> None:
    file.write_text(
        '\ufeff{"clip": "a.mp4", "start": 1, "end": 2.5, "label": " opening ", "note": 3}\n'
        "\r\n"
        '{"clip": "in/b.mp4", "label": "schließen", "start": null}',
        encoding="utf-8",
    )
    assert read_labels(file) == [
        Labelled(Span("a.mp4", 1.0, 2.5), "opening"),
        Labelled(Span("in/b.mp4", 0.0, math.inf), "schließen"),
    ]


def test_captions_of_one_span_come_together(file: Path) -> None:
    file.write_text(
        '{"clip": "a", "caption": "one"}\n'
        '{"clip": "a", "start": 1, "caption": "part"}\n'
        '{"clip": "a", "captions": ["two", "three"]}\n'
    )
    assert read_captions(file) == [
        Captioned(Span("a"), ("one", "two", "three")),
        Captioned(Span("a", 1.0), ("part",)),
    ]


def test_questions_are_read(file: Path) -> None:
    file.write_text('{"clip": "a", "question": "Open?", "answers": ["no", "yes"], "answer": "no"}')
    assert read_questions(file) == [Asked(Span("a"), "Open?", ("no", "yes"), "no")]


def test_answers_are_read_with_and_without_queries(file: Path) -> None:
    file.write_text(
        '{"clip": "a", "answer": "red", "query": "Colour?", "topic": "/cam/image", "end": 2}\n'
        '{"clip": "b", "answer": "blue", "label": "further fields are left alone"}'
    )
    assert read_answers(file) == [
        Answered(Span("a", 0.0, 2.0, "/cam/image"), "red", "Colour?"),
        Answered(Span("b"), "blue"),
    ]


def test_a_span_names_its_clip_and_what_of_it() -> None:
    assert str(Span("a.mp4")) == "a.mp4"
    assert str(Span("a.mp4", 1.0)) == "a.mp4 [1.. s]"
    assert str(Span("bag", 0.5, 2.0, "/cam")) == "bag /cam [0.5..2 s]"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ('{"clip": "a.mp4", "label": "x"', "delimiter"),
        ('["a.mp4", "x"]', "the content must be an object"),
        ('{"label": "x"}', "clip is missing"),
        ('{"clip": "a.mp4"}', "label is missing"),
        ('{"clip": "a.mp4", "label": " "}', "label must be a text"),
        ('{"clip": "../a.mp4", "label": "x"}', "below the folder"),
        ('{"clip": "/dev/video0", "label": "x"}', "below the folder"),
        ('{"clip": "a.mp4", "label": "x", "start": -1}', "start must be a number of at least 0"),
        ('{"clip": "a.mp4", "label": "x", "start": true}', "start must be a number"),
        ('{"clip": "a.mp4", "label": "x", "end": NaN}', "end must be a number"),
        ('{"clip": "a.mp4", "label": "x", "end": 1' + "0" * 400 + "}", "end must be a number"),
        ('{"clip": "a.mp4", "label": "x", "topic": 3}', "topic must be a text"),
        ('{"clip": ' + "[" * 100_000 + "}", "nested too deeply|Expecting value"),
        ('{"clip": "a.mp4", "label": "x", "start": 2, "end": 1}', "before start"),
        ("\udcff", "codec"),
    ],
)
def test_a_damaged_line_is_named_with_its_number_and_cause(
    file: Path, line: str, cause: str
) -> None:
    good = '{"clip": "a.mp4", "label": "x"}'
    file.write_bytes(f"{good}\n\n{line}\n{good}\n".encode(errors="surrogateescape"))
    with pytest.raises(AnnotationError, match=rf"annotations\.jsonl, line 3: .*{cause}"):
        read_labels(file)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ('"answers": ["yes"], "answer": "yes"', "two or more"),
        ('"answers": ["yes", "yes"], "answer": "yes"', "different"),
        ('"answers": ["yes", "no"], "answer": "maybe"', "none of answers"),
        ('"answers": "yes no", "answer": "yes"', "list of texts"),
        ('"answers": ["yes", 3], "answer": "yes"', "answers must be a list of texts"),
    ],
)
def test_a_question_without_a_choice_is_refused(file: Path, fields: str, cause: str) -> None:
    file.write_text('{"clip": "a", "question": "Open?", ' + fields + "}")
    with pytest.raises(AnnotationError, match=f"line 1: .*{cause}"):
        read_questions(file)


def test_captions_must_be_there(file: Path) -> None:
    file.write_text('{"clip": "a", "captions": []}')
    with pytest.raises(AnnotationError, match="line 1: captions must hold at least one text"):
        read_captions(file)


def test_an_empty_file_is_an_error(file: Path) -> None:
    file.write_text("\n\n")
    with pytest.raises(AnnotationError, match="holds no annotation"):
        read_labels(file)
