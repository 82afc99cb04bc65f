# SPDX-License-Identifier: Apache-2.0
"""Labels from LeRobot datasets of both layouts, written as small as they can be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vljepa_ros.teaching.label_lerobot import is_lerobot, read_lerobot
from vljepa_ros.teaching.label_row import LabelFault, LabelRow

pyarrow = pytest.importorskip("pyarrow")
KEY, FPS = "observation.images.front", 10
TASKS = ["pick the cube", "stack the cubes"]
SUBTASKS = ["reach", "grasp"]


def write_table(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    import pyarrow.parquet as parquet

    file.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), file)


def write_lines(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def frames(episode: int, task: int, subtasks: Sequence[int] | None) -> list[dict[str, Any]]:
    """Return the rows of an episode of four frames."""
    return [
        {
            "episode_index": episode,
            "timestamp": number / FPS,
            "task_index": task,
            **({} if subtasks is None else {"subtask_index": subtasks[number]}),
        }
        for number in range(4)
    ]


def info(folder: Path, video: str, data: str, kind: str = "video") -> None:
    features = {"action": {"dtype": "float32"}, KEY: {"dtype": kind}}
    content = {"chunks_size": 1000, "video_path": video, "data_path": data, "features": features}
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/info.json").write_text(json.dumps(content), encoding="utf-8")


def version_2(folder: Path) -> Path:
    """Write two episodes with two tasks, each in files of its own."""
    info(
        folder,
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    )
    write_lines(folder / "meta/episodes.jsonl", [{"episode_index": n} for n in range(2)])
    tasks = [{"task_index": n, "task": task} for n, task in enumerate(TASKS)]
    write_lines(folder / "meta/tasks.jsonl", tasks)
    for n in range(2):
        write_table(folder / f"data/chunk-000/episode_{n:06d}.parquet", frames(n, n, None))
    return folder


def version_3(folder: Path, tasks: Sequence[str]) -> Path:
    """Write two episodes in one video and one table, with subtasks."""
    info(
        folder,
        "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    )
    places = {"data/chunk_index": 0, "data/file_index": 0}
    places |= {f"videos/{KEY}/chunk_index": 0, f"videos/{KEY}/file_index": 0}
    episodes = [
        {
            "episode_index": n,
            f"videos/{KEY}/from_timestamp": n * 0.4,
            f"videos/{KEY}/to_timestamp": (n + 1) * 0.4,
            **places,
        }
        for n in range(2)
    ]
    write_table(folder / "meta/episodes/chunk-000/file-000.parquet", episodes)
    # pandas writes the text as an index without a name
    named = [{"task_index": n, "__index_level_0__": task} for n, task in enumerate(tasks)]
    write_table(folder / "meta/tasks.parquet", named)
    below = [{"subtask_index": n, "subtask": text} for n, text in enumerate(SUBTASKS)]
    write_table(folder / "meta/subtasks.parquet", below)
    last = len(tasks) - 1
    rows = frames(0, 0, [0, 0, 1, 1]) + frames(1, last, [-1, 1, 1, 1])
    write_table(folder / "data/chunk-000/file-000.parquet", rows)
    return folder


def read(folder: Path) -> list[LabelRow]:
    assert is_lerobot(folder)
    rows = list(read_lerobot(folder))
    assert not [one for one in rows if isinstance(one, LabelFault)]
    return [one for one in rows if isinstance(one, LabelRow)]


def test_version_2_has_a_file_for_each_episode(tmp_path: Path) -> None:
    rows = read(version_2(tmp_path))
    assert [(one.footage.path.name, one.query, one.text) for one in rows] == [
        ("episode_000000.mp4", "task", TASKS[0]),
        ("episode_000001.mp4", "task", TASKS[1]),
    ]
    assert rows[0].footage.path.parts[-3:-1] == ("chunk-000", KEY)


def test_version_3_has_many_episodes_in_a_file(tmp_path: Path) -> None:
    rows = read(version_3(tmp_path, TASKS))
    assert {one.footage.path.name for one in rows} == {"file-000.mp4"}
    found = [(one.footage.start, one.query, one.start, one.end, one.text) for one in rows]
    assert found == [
        (0.0, "task", 0.0, float("inf"), TASKS[0]),
        (0.0, "action", 0.0, pytest.approx(0.2), "reach"),
        (0.0, "action", pytest.approx(0.2), float("inf"), "grasp"),
        (pytest.approx(0.4), "task", 0.0, float("inf"), TASKS[1]),
        (pytest.approx(0.4), "action", pytest.approx(0.1), float("inf"), "grasp"),
    ]


def test_one_task_of_all_tells_nothing_apart(tmp_path: Path) -> None:
    rows = read(version_3(tmp_path, TASKS[:1]))
    assert {one.query for one in rows} == {"action"}


def test_images_in_tables_are_not_read(tmp_path: Path) -> None:
    info(tmp_path, "{episode_index}", "{episode_index}", kind="image")
    (fault,) = read_lerobot(tmp_path)
    assert isinstance(fault, LabelFault)
    assert "has no videos" in fault.cause


def test_a_camera_is_chosen_by_its_key(tmp_path: Path) -> None:
    (fault,) = read_lerobot(version_2(tmp_path), "wrist")
    assert isinstance(fault, LabelFault)
    assert f"no camera 'wrist'; it has {KEY}" in fault.cause


def test_a_table_that_is_missing_is_said(tmp_path: Path) -> None:
    version_2(tmp_path)
    (tmp_path / "data/chunk-000/episode_000001.parquet").unlink()
    faults = [one for one in read_lerobot(tmp_path) if isinstance(one, LabelFault)]
    assert len(faults) == 1
    assert "episode_000001.parquet" in faults[0].cause
