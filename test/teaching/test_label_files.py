# SPDX-License-Identifier: Apache-2.0
"""Labels from the files that people have, and what is said of rows that cannot be used."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vljepa_ros.teaching.label_row import LabelFault, LabelRow
from vljepa_ros.teaching.read_labels import label_rows
from vljepa_ros.teaching.recordings_folder import RecordingsFolder


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Return a folder with three recordings that nobody opens here."""
    folder = tmp_path / "recordings"
    (folder / "day").mkdir(parents=True)
    for name in ("one.mp4", "two.mp4", "day/three.mp4"):
        (folder / name).touch()
    return folder


def read(file: Path, content: str, recordings: Path) -> tuple[list[LabelRow], list[LabelFault]]:
    file.write_text(content, encoding="utf-8")
    return label_rows([file], RecordingsFolder(recordings))


def said(rows: list[LabelRow]) -> list[tuple[str, str, float, float, str]]:
    return [(one.footage.path.name, one.query, one.start, one.end, one.text) for one in rows]


def causes(faults: list[LabelFault]) -> list[tuple[int, str]]:
    return [(one.place.line, one.cause) for one in faults]


def test_a_table_has_spans_whole_recordings_and_a_group(tmp_path: Path, recordings: Path) -> None:
    content = (
        "file,start,end,text,query,room\n"
        "one.mp4,0.5,1:02,opens  the door,action,kitchen\n"
        'three,,,"pours, slowly",,lab\n'
    )
    rows, faults = read(tmp_path / "labels.csv", content, recordings)
    assert faults == []
    assert said(rows) == [
        ("one.mp4", "action", 0.5, 62.0, "opens the door"),
        ("three.mp4", "", 0.0, math.inf, "pours, slowly"),
    ]
    assert [one.columns["room"] for one in rows] == ["kitchen", "lab"]


def test_a_table_of_moments_becomes_spans(tmp_path: Path, recordings: Path) -> None:
    content = "clip\ttime_s\tlabel\n"
    for step, label in enumerate(["waits", "waits", "moves", "", "waits"]):
        content += f"one.mp4\t{step / 5}\t{label}\n"
    rows, faults = read(tmp_path / "frames.csv", content, recordings)
    assert faults == []
    assert [(one.start, round(one.end, 6), one.text) for one in rows] == [
        (0.0, 0.4, "waits"),
        (0.4, 0.6, "moves"),
        (0.8, 1.0, "waits"),
    ]


def test_a_table_without_a_column_of_files_is_named_after_one(
    tmp_path: Path, recordings: Path
) -> None:
    rows, _ = read(tmp_path / "two.csv", "query,start,end,text\nheld,0,1,a cup\n", recordings)
    assert said(rows) == [("two.mp4", "held", 0.0, 1.0, "a cup")]


def test_each_bad_row_of_a_table_is_listed(tmp_path: Path, recordings: Path) -> None:
    content = (
        "file,start,end,text\none.mp4,0,1,good\n,0,1,x\nfour.mp4,0,1,x\none.mp4,soon,1,x\n"
        f"one.mp4,0,1, \none.mp4,0,1,{'x' * 300}\n"
    )
    rows, faults = read(tmp_path / "labels.csv", content, recordings)
    assert len(rows) == 1
    assert [line for line, _ in causes(faults)] == [3, 4, 5, 6, 7]
    for expected, (_, cause) in zip(
        ("no recording is named", "'four.mp4' is not in", "start 'soon'", "is empty", "longer"),
        causes(faults),
        strict=True,
    ):
        assert expected in cause


def test_a_table_without_texts_is_refused(tmp_path: Path, recordings: Path) -> None:
    rows, faults = read(tmp_path / "labels.csv", "file,start\none.mp4,0\n", recordings)
    assert (rows, causes(faults)[0][0]) == ([], 1)


def test_lines_of_the_review_page(tmp_path: Path, recordings: Path) -> None:
    whole = str(recordings / "two.mp4")
    lines: list[object] = [
        {"clip": whole, "topic": "", "query": "action", "start": 1, "end": 2.5, "label": "lifts"},
        {"clip": "one.mp4", "query": "action", "start": 0, "end": 1, "label": ""},
        {"clip": "one.mp4", "answer": "a cup", "session": "monday", "nested": [1]},
        {"clip": "one.mp4", "start": -1, "label": "x"},
        ["no object"],
    ]
    content = "\n".join(map(json.dumps, lines)) + "\n{broken\n"
    rows, faults = read(tmp_path / "corrections.jsonl", content, recordings)
    assert said(rows) == [
        ("two.mp4", "action", 1.0, 2.5, "lifts"),
        ("one.mp4", "", 0.0, math.inf, "a cup"),
    ]
    assert rows[1].columns == {"session": "monday"}
    assert [line for line, _ in causes(faults)] == [4, 5, 6]


def test_subtitles(tmp_path: Path, recordings: Path) -> None:
    content = (
        "1\n00:00:01,000 --> 00:00:02,500\n<i>opens</i>\nthe door\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n\n"
    )
    rows, faults = read(tmp_path / "one.held.srt", content, recordings)
    assert said(rows) == [("one.mp4", "held", 1.0, 2.5, "opens the door")]
    assert causes(faults) == [(7, "the text is empty")]


def test_web_subtitles_name_queries_by_their_voice(tmp_path: Path, recordings: Path) -> None:
    content = (
        "WEBVTT\n\nNOTE nothing\n\n00:01.000 --> 00:02.000 align:start\n<v action>a &amp; b\n\n"
        "01:00:00.000 --> 01:00:01.000\nplain\n"
    )
    rows, faults = read(tmp_path / "one.vtt", content, recordings)
    assert faults == []
    assert said(rows) == [
        ("one.mp4", "action", 1.0, 2.0, "a & b"),
        ("one.mp4", "", 3600.0, 3601.0, "plain"),
    ]


def test_subtitles_of_an_unknown_recording(tmp_path: Path, recordings: Path) -> None:
    rows, faults = read(tmp_path / "nine.srt", "00:01 --> 00:02\nx\n", recordings)
    assert rows == []
    assert "'nine' is not in" in faults[0].cause


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("pours_water/a.mp4", "waits/b.mp4", "waits/frames/0.png"):
        path = tmp_path / "classes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "classes" / "empty").mkdir()
    folder = tmp_path / "classes"
    rows, faults = label_rows([folder], RecordingsFolder(folder))
    assert [(one.footage.path.name, one.text) for one in rows] == [
        ("a.mp4", "pours water"),
        ("b.mp4", "waits"),
        ("frames", "waits"),
    ]
    assert [fault.place.file.name for fault in faults] == ["empty"]


def test_a_folder_of_label_files(tmp_path: Path, recordings: Path) -> None:
    (recordings / "one.srt").write_text("00:01 --> 00:02\nopens\n", encoding="utf-8")
    (recordings / "two.csv").write_text("start,end,text\n0,1,closes\n", encoding="utf-8")
    rows, faults = label_rows([recordings], RecordingsFolder(recordings))
    assert faults == []
    assert [one.text for one in rows] == ["opens", "closes"]


def test_what_is_no_file_of_labels(tmp_path: Path, recordings: Path) -> None:
    (tmp_path / "labels.docx").touch()
    places = [tmp_path / "missing.csv", tmp_path / "labels.docx"]
    _, faults = label_rows(places, RecordingsFolder(recordings))
    assert faults[0].cause == "does not exist"
    assert "is no file of labels: .csv" in faults[1].cause


def test_a_name_that_two_recordings_have(recordings: Path, tmp_path: Path) -> None:
    (recordings / "day" / "one.mp4").touch()
    (recordings / "one.mkv").touch()
    _, faults = read(tmp_path / "l.csv", "file,text\none,x\n", recordings)
    assert "write the ending" in faults[0].cause


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".srt", ".vtt"])
def test_whatever_a_file_holds_ends_in_rows_and_faults(
    tmp_path_factory: pytest.TempPathFactory, ending: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "one.mp4").touch()
    file = folder / f"one{ending}"
    pieces = st.sampled_from(
        ["file,start,end,text\n", "one,", "1,", "2\n", "time", '"', "\n", "\0", "[", "{", "}"]
        + ['{"clip": "one.mp4", "label": ', "1e999", '"a"}', "00:01 --> 00:02\n", "-->", "<v "]
    )

    recordings = RecordingsFolder(folder)

    @settings(max_examples=30)
    @given(st.lists(pieces | st.text(max_size=5), max_size=12))
    def check(parts: list[str]) -> None:
        file.write_bytes("".join(parts).encode("utf-8", "surrogatepass"))
        rows, faults = label_rows([file], recordings)
        assert all(row.text and row.footage.path.exists() for row in rows)
        assert all(fault.cause for fault in faults)

    check()
