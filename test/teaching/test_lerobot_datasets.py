# SPDX-License-Identifier: Apache-2.0
"""From a LeRobot dataset, as lerobot writes it, to labelled images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="LeRobot's tables are Parquet files")

from support.lerobot_dataset import (
    COLOURS,
    FRAMES,
    SUBTASKS,
    TASKS,
    WRIST,
    version_2_1,
    version_3_0,
)
from vljepa_ros.teaching.check_labels import check_labels
from vljepa_ros.teaching.lessons import Seen, make_lessons
from vljepa_ros.teaching.material import unlabelled
from vljepa_ros.teaching.read_labels import label_rows
from vljepa_ros.teaching.recordings_folder import RecordingsFolder
from vljepa_ros.teaching.taught_recording import Lessons

QUESTIONS = {"action": "What is the robot doing?", "task": "What is its task?"}
SEEN = Seen(rate_hz=10.0, height=32, width=32, fit="crop")


def learned(dataset: Path, work: Path, camera: str = "") -> Lessons:
    """Return what is learned from a dataset that has no fault."""
    rows, faults = label_rows([dataset], RecordingsFolder(dataset), camera)
    checked = check_labels(rows, QUESTIONS, "action")
    assert not faults and not checked.faults
    return make_lessons(checked.rows, QUESTIONS, SEEN, work, lambda row: str(row.footage))


@pytest.mark.parametrize("write", [version_2_1, version_3_0])
def test_every_episode_has_its_own_images_and_task(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lessons = learned(write(tmp_path / "set"), tmp_path / "work")
    assert lessons.texts == {"task": TASKS}
    assert [len(one.frames) for one in lessons.recordings] == [FRAMES] * 3
    for number, (one, colour) in enumerate(zip(lessons.recordings, COLOURS, strict=True)):
        assert np.abs(one.frames.mean((1, 2)) - colour).max() < 12, one.name
        assert set(one.labels["task"]) == {number % 2}


@pytest.mark.parametrize("kind", ["index", "language"])
def test_subtasks_follow_each_other(kind: str, tmp_path: Path) -> None:
    lessons = learned(version_3_0(tmp_path / "set", kind), tmp_path / "work")
    assert lessons.texts["action"] == SUBTASKS
    for one in lessons.recordings:
        assert one.labels["action"].tolist() == [0] * (FRAMES // 2) + [1] * (FRAMES // 2)


def test_another_camera_is_taken_if_it_is_named(tmp_path: Path) -> None:
    lessons = learned(version_2_1(tmp_path / "set"), tmp_path / "work", WRIST)
    assert all(np.abs(one.frames - 128.0).max() < 8 for one in lessons.recordings)


def test_the_other_cameras_are_nothing_to_label(tmp_path: Path) -> None:
    dataset = version_3_0(tmp_path / "set")
    rows, _ = label_rows([dataset], RecordingsFolder(dataset))
    assert unlabelled(dataset, [row.footage for row in rows], SEEN, tmp_path / "work") == []
