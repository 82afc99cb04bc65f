# SPDX-License-Identifier: Apache-2.0
"""All that is wrong with labels is found before anything is computed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from support.recordings import bag_image, write_bag, write_video
from vljepa_ros.teaching.check_labels import check_labels, listed
from vljepa_ros.teaching.label_row import Footage, LabelRow, Place

QUESTIONS = {"action": "What is done?", "held": "What is held?"}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of one second."""
    return write_video(tmp_path_factory.mktemp("videos") / "one.mp4", ["red"] * 10)


def row(
    path: Path,
    start: float,
    end: float,
    text: str,
    line: int = 1,
    query: str = "",
    topic: str = "",
) -> LabelRow:
    footage = Footage(path, topic)
    return LabelRow(footage, query, start, end, text, Place(Path("labels.csv"), line))


def test_good_labels_get_their_query_and_their_end(video: Path) -> None:
    rows = [row(video, 0, 0.5, "waits"), row(video, 0.5, math.inf, "moves")]
    found = check_labels(rows, QUESTIONS, "action")
    assert found.faults == ()
    assert [(one.query, round(one.end, 3)) for one in found.rows] == [
        ("action", 0.5),
        ("action", 1.0),
    ]


@pytest.mark.parametrize(
    ("start", "end", "cause"),
    [(0.4, 5.0, "before 5 s"), (3.0, math.inf, "before 3 s"), (0.5, 0.5, "begins at 0.5 s")],
)
def test_times_beyond_the_recording(video: Path, start: float, end: float, cause: str) -> None:
    good = [row(video, 0, 0.2, "waits"), row(video, 0.2, 0.4, "moves")]
    found = check_labels([*good, row(video, start, end, "lifts", 7)], QUESTIONS, "action")
    assert len(found.rows) == 2
    assert [(one.place.line, cause in one.cause) for one in found.faults] == [(7, True)]


def test_overlap_within_a_query_only(video: Path) -> None:
    rows = [
        row(video, 0, 0.6, "waits", 1),
        row(video, 0.5, 1.0, "moves", 2),
        row(video, 0.6, 1.0, "lifts", 3),
        row(video, 0, 0.3, "a cup", 4, "held"),
        row(video, 0.3, 1.0, "nothing", 5, "held"),
    ]
    found = check_labels(rows, QUESTIONS, "action")
    assert [one.place.line for one in found.faults] == [2]
    assert "'waits' (labels.csv, line 1)" in found.faults[0].cause


def test_a_query_with_one_text_is_named_once(video: Path) -> None:
    rows = [row(video, 0, 0.4, "waits", 1), row(video, 0.5, 0.9, "waits", 2)]
    found = check_labels(rows, QUESTIONS, "action")
    assert found.rows == ()
    (fault,) = found.faults
    assert "'waits' is the only usable text of the query 'action'" in fault.cause


def test_unknown_queries_and_unreadable_recordings(video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    rows = [row(video, 0, 1, "x", 1, "colour"), row(broken, 0, 1, "y", 2)]
    faults = {one.place.line: one.cause for one in check_labels(rows, QUESTIONS, "action").faults}
    assert "--query 'colour: What ...?'" in faults[1]
    assert "broken.mp4" in faults[2]


def test_topics_of_a_bag(tmp_path: Path) -> None:
    bag = write_bag(
        tmp_path / "bag", [(n * 10**8, bag_image("red", n * 10**8 + 1)) for n in range(9)]
    )
    rows = [
        row(bag, 0, 0.3, "waits", 1),
        row(bag, 0.2, 0.6, "moves", 2, topic="/camera/image_raw"),
        row(bag, 0, 0.2, "lifts", 3, topic="/wrist"),
    ]
    found = check_labels(rows, QUESTIONS, "action")
    faults = {one.place.line: one.cause for one in found.faults}
    assert "no image topic '/wrist'" in faults[3]


def test_faults_of_one_cause_share_a_line() -> None:
    from vljepa_ros.teaching.label_row import LabelFault

    place = Path("labels.csv")
    faults = [LabelFault(Place(place, n), "is gone") for n in (3, 4)]
    faults.append(LabelFault(Place(Path("x.srt")), "is no text"))
    assert list(listed(faults)) == ["labels.csv, lines 3, 4: is gone", "x.srt: is no text"]
