# SPDX-License-Identifier: Apache-2.0
"""Recordings become what a robot's model would have seen, and whole groups are held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.full_disk import full_disk
from support.recordings import COLOURS, write_video
from vljepa_ros.teaching.copies import copies_together
from vljepa_ros.teaching.hold_out import group_by, split_lessons
from vljepa_ros.teaching.label_row import Footage, LabelRow, Place
from vljepa_ros.teaching.lessons import Seen, make_lessons, stream_frames
from vljepa_ros.teaching.material import unlabelled
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording

SEEN = Seen(rate_hz=10.0, height=8, width=8)
QUESTIONS = {"action": "What is done?", "held": "What is held?"}


def row(path: Path, start: float, end: float, text: str, **columns: str) -> LabelRow:
    return LabelRow(Footage(path), "action", start, end, text, Place(Path("l.csv"), 1), columns)


def test_images_pass_at_the_rate_of_the_stream(tmp_path: Path) -> None:
    video = write_video(tmp_path / "fast.mp4", ["red"] * 60, rate_hz=30.0)
    stamps, frames = stream_frames(Footage(video), SEEN, tmp_path / "frames")
    assert frames.shape[1:] == (8, 8, 3)
    assert len(frames) == pytest.approx(20, abs=1)
    assert np.diff(stamps) == pytest.approx(0.1, abs=0.04)


def test_images_are_decoded_once(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", ["red"] * 10)
    first = stream_frames(Footage(video), SEEN, tmp_path / "frames")
    kept = sorted((tmp_path / "frames").iterdir())
    changed = [file.stat().st_mtime_ns for file in kept]
    second = stream_frames(Footage(video), SEEN, tmp_path / "frames")
    np.testing.assert_array_equal(first[1], second[1])
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "frames").iterdir())] == changed


def test_a_part_of_a_video_is_a_recording(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", ["red"] * 10 + ["blue"] * 10)
    part = Footage(video, start=1.0, end=1.5)
    stamps, frames = stream_frames(part, SEEN, tmp_path / "frames")
    assert stamps == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert abs(frames.mean((0, 1, 2)) - COLOURS["blue"]).max() < 20


def test_each_image_has_the_label_of_its_moment(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", ["red"] * 10)
    rows = [row(video, 0.2, 0.5, "waits"), row(video, 0.5, 0.8, "moves")]
    lessons = make_lessons(rows, QUESTIONS, SEEN, tmp_path / "frames", lambda row: "all")
    assert lessons.texts == {"action": ("waits", "moves")}
    assert lessons.questions == {"action": "What is done?"}
    assert list(lessons.recordings[0].labels["action"]) == [-1, -1, 0, 0, 0, 1, 1, 1, -1, -1]


def test_groups_come_from_a_column_or_a_path() -> None:
    one = row(Path("monday/kitchen_1.mp4"), 0, 1, "x", room="lab")
    assert group_by("")(one) == "monday/kitchen_1.mp4"
    assert group_by("room")(one) == "lab"
    assert group_by(r"(\w+)_\d")(one) == "kitchen"
    assert group_by("monday|tuesday")(one) == "monday"
    with pytest.raises(ValueError, match="neither a column nor found"):
        group_by("sunday")(one)
    with pytest.raises(ValueError, match="no regular expression"):
        group_by("(")


def lessons(*groups: tuple[str, list[int]]) -> Lessons:
    """Return recordings of a group and with labels each."""
    recordings = tuple(
        TaughtRecording(
            f"{number}.mp4",
            group,
            np.arange(len(labels)) / 10,
            np.zeros((len(labels), 1, 1, 3), np.uint8),
            {"action": np.array(labels, np.int32)},
        )
        for number, (group, labels) in enumerate(groups)
    )
    return Lessons({"action": "What?"}, {"action": ("a", "b", "c")}, recordings)


def test_no_group_is_on_both_sides() -> None:
    whole = lessons(*((f"room {n % 4}", [0, 1, 2]) for n in range(12)))
    split = split_lessons(whole)
    taught = {one.group for one in split.taught.recordings}
    held_out = {one.group for one in split.held_out.recordings}
    assert (len(taught), len(held_out), taught & held_out) == (3, 1, set())


def test_what_says_when_to_stop_is_neither_taught_nor_measured() -> None:
    split = split_lessons(lessons(*((f"g{n}", [0, 1, 2]) for n in range(28))))
    parts = (split.taught, split.checked, split.held_out)
    names = [{one.name for one in part.recordings} for part in parts]
    assert [len(one) for one in names] == [18, 3, 7]
    assert len(set.union(*names)) == 28


def test_copies_of_a_recording_are_never_on_both_sides() -> None:
    three = lessons(("a", [0, 1]), ("b", [1, 0]), ("c", [0, 1, 2]))
    joined, (note,) = copies_together(three)
    assert [one.group for one in joined.recordings] == ["a", "a", "c"]
    assert note.startswith("1.mp4 shows the same images as 0.mp4")


def test_every_text_is_taught_if_that_is_possible() -> None:
    rare = lessons(("x", [0, 1, 2]), *((f"g{n}", [0, 1]) for n in range(9)))
    for seed in range(5):
        split = split_lessons(rare, seed=seed)
        assert "x" in {one.group for one in split.taught.recordings}


def test_one_group_is_taught_and_nothing_held_out() -> None:
    split = split_lessons(lessons(("only", [0, 1]), ("only", [1, 0])))
    assert (len(split.taught.recordings), split.held_out.recordings) == (2, ())


def test_no_text_is_given_up_to_hold_something_out() -> None:
    split = split_lessons(lessons(("pours", [0]), ("wipes", [1]), ("lifts", [2])))
    assert (len(split.taught.recordings), split.held_out.recordings) == (3, ())


def test_held_out_by_name() -> None:
    split = split_lessons(lessons(("a", [0]), ("b", [1]), ("b", [1])), held_out="^b$")
    assert [one.group for one in split.held_out.recordings] == ["b", "b"]
    for rule in ("nothing", ".", "("):
        with pytest.raises(ValueError, match="--held-out|no regular expression"):
            split_lessons(lessons(("a", [0]), ("b", [1])), held_out=rule)


def test_a_full_disk_is_said_with_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", ["red"] * 4)
    with full_disk(200), pytest.raises(OSError) as caught:
        stream_frames(Footage(video), SEEN, tmp_path / "work")
    assert str(caught.value.filename).endswith(".frames.npy") and caught.value.strerror
    assert list((tmp_path / "work").iterdir()) == []


def test_recordings_without_labels_are_looked_at(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / f"{n}.mp4", ["red"] * 4) for n in range(9)]
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    labelled = [Footage(path) for path in videos[:2]]
    found = unlabelled(tmp_path, labelled, SEEN, tmp_path / "work")
    names = {one.name for one, _ in found}
    assert 1 <= len(names) <= 5
    assert not names & {"0.mp4", "1.mp4", "broken.mp4"}
