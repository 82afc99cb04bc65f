# SPDX-License-Identifier: Apache-2.0
"""Corrections are on the disk whole or not at all, and nobody's are lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.full_disk import full_disk
from vljepa_ros.review.corrections import (
    Correction,
    CorrectionError,
    CorrectionsFile,
    Edit,
    EditConflictError,
    parse_edit,
)

OPEN, CLOSED = Correction(2.0, 4.0, "open"), Correction(4.0, 5.0, "")


@pytest.fixture
def corrections(tmp_path: Path) -> CorrectionsFile:
    return CorrectionsFile(tmp_path / "corrections" / "film.jsonl", "/data/film.mp4")


def edit(*spans: Correction, seen: tuple[Correction, ...] = (), query: str = "object") -> Edit:
    return Edit(query, 0.0, 10.0, seen, spans)


def test_an_edit_is_a_line_that_names_recording_query_times_and_label(
    corrections: CorrectionsFile,
) -> None:
    corrections.apply(edit(OPEN))
    (line,) = corrections.file.read_text("utf-8").splitlines()
    assert json.loads(line) == {
        "clip": "/data/film.mp4",
        "query": "object",
        "start": 2.0,
        "end": 4.0,
        "label": "open",
    }


def test_the_topic_of_a_bag_is_named(tmp_path: Path) -> None:
    corrections = CorrectionsFile(tmp_path / "bag.jsonl", "/data/bag", "/camera")
    corrections.apply(edit(OPEN))
    assert json.loads(corrections.file.read_text("utf-8"))["topic"] == "/camera"


def test_what_was_done_can_be_undone(corrections: CorrectionsFile) -> None:
    first, second = edit(OPEN, CLOSED), edit(seen=(OPEN, CLOSED))
    corrections.apply(first)
    corrections.apply(second)
    assert corrections.by_query() == {}
    corrections.apply(second.undone())
    assert corrections.by_query() == {"object": [OPEN, CLOSED]}


def test_an_edit_made_in_ignorance_of_another_is_refused(corrections: CorrectionsFile) -> None:
    corrections.apply(edit(OPEN))
    with pytest.raises(EditConflictError):
        corrections.apply(edit(CLOSED))
    assert corrections.by_query() == {"object": [OPEN]}


def test_edits_of_other_queries_and_stretches_do_not_disturb_each_other(
    corrections: CorrectionsFile,
) -> None:
    corrections.apply(edit(OPEN))
    corrections.apply(edit(OPEN, query="held"))
    corrections.apply(Edit("object", 4.0, 5.0, (), (CLOSED,)))
    assert corrections.by_query() == {"object": [OPEN, CLOSED], "held": [OPEN]}


def test_fields_of_others_stay(corrections: CorrectionsFile) -> None:
    line = {"clip": "film.mp4", "query": "held", "start": 1, "end": 2, "label": "cup", "by": "Ana"}
    corrections.file.parent.mkdir()
    corrections.file.write_text(json.dumps(line) + "\n")
    corrections.apply(edit(OPEN))
    assert line in map(json.loads, corrections.file.read_text("utf-8").splitlines())


@pytest.mark.parametrize("broken", ["{", '{"query": "object"}', "[1]", '{"query": 3}'])
def test_a_file_that_cannot_be_read_is_not_written_over(
    corrections: CorrectionsFile, broken: str
) -> None:
    corrections.file.parent.mkdir()
    corrections.file.write_text(broken)
    with pytest.raises(CorrectionError, match=r"film\.jsonl, line 1"):
        corrections.apply(edit(OPEN))
    assert corrections.file.read_text() == broken


def test_a_full_disk_loses_nothing(corrections: CorrectionsFile) -> None:
    corrections.apply(edit(OPEN))
    before = corrections.file.read_bytes()
    with full_disk(), pytest.raises(OSError, match="large"):
        corrections.apply(edit(CLOSED, seen=(OPEN,)))
    assert corrections.file.read_bytes() == before
    assert {path.name for path in corrections.file.parent.iterdir()} == {".lock", "film.jsonl"}


def test_the_revision_changes_with_every_edit(corrections: CorrectionsFile) -> None:
    revisions = [corrections.revision()]
    for change in (edit(OPEN), edit(CLOSED, seen=(OPEN,)), edit(OPEN, seen=(CLOSED,))):
        corrections.apply(change)
        revisions.append(corrections.revision())
    assert revisions[0] == ""
    assert revisions[1] == revisions[3]  # the same content again
    assert len(set(revisions)) == 3


SPAN = {"start": 1.0, "end": 2.0, "label": " the drawer\n is  open "}
GOOD = {"query": "object", "start": 1.0, "end": 3.0, "seen": [], "spans": [SPAN]}


def test_a_label_is_one_line() -> None:
    assert parse_edit(GOOD).spans == (Correction(1.0, 2.0, "the drawer is open"),)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": ""}, "query"),
        ({"end": 1.0}, "stretch"),
        ({"end": float("nan")}, "end"),
        ({"start": -1}, "start"),
        ({"spans": {}}, "spans"),
        ({"spans": [SPAN] * 2}, "overlap"),
        ({"spans": [{**SPAN, "end": 9.0}]}, "between 1 and 3"),
        ({"spans": [{**SPAN, "end": 0.5}]}, "stretch"),
        ({"spans": [{**SPAN, "label": "x" * 501}]}, "500"),
        ({"spans": [{**SPAN, "label": None}]}, "label"),
        ({"seen": [SPAN] * 1001}, "1000"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(CorrectionError, match=said):
        parse_edit({**GOOD, **change})


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_an_edit_is_an_object(content: object) -> None:
    with pytest.raises(CorrectionError):
        parse_edit(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(st.fixed_dictionaries({}, optional={key: JSON | st.just(GOOD[key]) for key in GOOD}))
def test_whatever_is_posted_is_an_edit_or_refused(content: object) -> None:
    try:
        edit = parse_edit(content)
    except CorrectionError:
        return
    assert edit.start < edit.end
    assert edit.undone().undone() == edit
