# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets as lerobot writes them, with all their columns and files, and few images.

Layouts v2.1 (a file for each episode) and v3.0 (many episodes in a file), AV1 videos of two colour
cameras behind one of depth. Every episode has a colour of its own, and two halves that are
labelled with subtasks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

FPS, FRAMES, SIDE = 10, 8, 64
DEPTH, FRONT, WRIST = (f"observation.images.{name}" for name in ("depth", "front", "wrist"))
TASKS = ("Pick up the cube.", "Stack the cubes.")
SUBTASKS = ("reach for the cube", "close the gripper")
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
LENGTH_S = FRAMES / FPS


def version_2_1(folder: Path) -> Path:
    """Write a dataset of layout v2.1: three episodes, two tasks and no subtasks."""
    _write_info(
        folder,
        "v2.1",
        data_path="data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        video_path="videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        about_video="video_info",
    )
    tasks = [{"task_index": n, "task": task} for n, task in enumerate(TASKS)]
    _lines(folder / "meta/tasks.jsonl", tasks)
    numbers = range(len(COLOURS))
    episodes = [{"episode_index": n, "tasks": [TASKS[n % 2]], "length": FRAMES} for n in numbers]
    _lines(folder / "meta/episodes.jsonl", episodes)
    stats = {"action": {"min": [0.0], "max": [0.0], "mean": [0.0], "std": [0.0], "count": [8]}}
    rows = [{"episode_index": n, "stats": stats} for n in numbers]
    _lines(folder / "meta/episodes_stats.jsonl", rows)
    for n, colour in enumerate(COLOURS):
        _table(folder / f"data/chunk-000/episode_{n:06d}.parquet", _frames(n))
        for key in (DEPTH, FRONT, WRIST):
            _video(folder / f"videos/chunk-000/{key}/episode_{n:06d}.mp4", _images([colour], key))
    return folder


def version_3_0(folder: Path, subtasks: str = "") -> Path:
    """Write a dataset of layout v3.0: three episodes in one video and one table.

    Args:
        folder: of the dataset.
        subtasks: how they are written: ``index`` (numbers of the frames and a table of texts),
            ``language`` (a list of texts with times in every frame), or not at all.
    """
    _write_info(
        folder,
        "v3.0",
        data_path="data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        video_path="videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        about_video="info",
    )
    texts = {"task_index": range(len(TASKS)), "task": TASKS}
    _pandas_table(folder / "meta/tasks.parquet", texts)
    frames = {name: [] for name in _frames(0)} | {"subtask_index": [], "language_persistent": []}
    for n in range(len(COLOURS)):
        for name, values in _frames(n).items():
            frames[name] += list(values)
        frames["subtask_index"] += [2 * frame // FRAMES for frame in range(FRAMES)]
        frames["language_persistent"] += [_language()] * FRAMES
    if subtasks == "index":
        below = {"subtask_index": range(len(SUBTASKS)), "subtask": SUBTASKS}
        _pandas_table(folder / "meta/subtasks.parquet", below)
    for name, kind in (("subtask_index", "index"), ("language_persistent", "language")):
        if subtasks != kind:
            del frames[name]
    _table(folder / "data/chunk-000/file-000.parquet", frames)
    _table(folder / "meta/episodes/chunk-000/file-000.parquet", _episodes())
    for key in (DEPTH, FRONT, WRIST):
        _video(folder / f"videos/{key}/chunk-000/file-000.mp4", _images(COLOURS, key))
    return folder


def _write_info(
    folder: Path, version: str, data_path: str, video_path: str, about_video: str
) -> None:
    count = len(COLOURS)
    features: dict[str, Any] = {
        name: {"dtype": kind, "shape": [1], "names": None}
        for name, kind in (
            ("action", "float32"),
            ("timestamp", "float32"),
            ("frame_index", "int64"),
            ("episode_index", "int64"),
            ("index", "int64"),
            ("task_index", "int64"),
        )
    }
    for key in (DEPTH, FRONT, WRIST):
        about = {
            "video.height": SIDE,
            "video.width": SIDE,
            "video.codec": "av1",
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": key == DEPTH,
            "video.fps": FPS,
            "video.channels": 3,
            "has_audio": False,
        }
        names = ["height", "width", "channels"]
        shape = [SIDE, SIDE, 3]
        features[key] = {"dtype": "video", "shape": shape, "names": names, about_video: about}
    info = {
        "codebase_version": version,
        "robot_type": "so101_follower",
        "total_episodes": count,
        "total_frames": count * FRAMES,
        "total_tasks": len(TASKS),
        "chunks_size": 1000,
        "fps": FPS,
        "splits": {"train": f"0:{count}"},
        "data_path": data_path,
        "video_path": video_path,
        "features": features,
    }
    (folder / "meta").mkdir(parents=True)
    (folder / "meta/info.json").write_text(json.dumps(info, indent=4), encoding="utf-8")


def _frames(episode: int) -> dict[str, Any]:
    numbers = np.arange(FRAMES)
    return {
        "action": np.zeros((FRAMES, 2), np.float32).tolist(),
        "timestamp": np.float32(numbers / FPS),
        "frame_index": numbers,
        "episode_index": np.full(FRAMES, episode),
        "index": episode * FRAMES + numbers,
        "task_index": np.full(FRAMES, episode % 2),
    }


def _language() -> list[dict[str, Any]]:
    """Return what is said of every episode: subtasks among other things."""
    said = [("plan", "First reach, then close.", 0.0)]
    said += [("subtask", text, n * LENGTH_S / 2) for n, text in enumerate(SUBTASKS)]
    return [
        {
            "role": "assistant",
            "content": text,
            "style": style,
            "timestamp": time,
            "camera": None,
            "tool_calls": None,
        }
        for style, text, time in said
    ]


def _episodes() -> dict[str, list[Any]]:
    numbers = list(range(len(COLOURS)))
    none = [0] * len(numbers)
    rows: dict[str, list[Any]] = {
        "episode_index": numbers,
        "data/chunk_index": none,
        "data/file_index": none,
        "dataset_from_index": [n * FRAMES for n in numbers],
        "dataset_to_index": [(n + 1) * FRAMES for n in numbers],
        "tasks": [[TASKS[n % 2]] for n in numbers],
        "length": [FRAMES for _ in numbers],
        "stats/action/mean": [[0.0, 0.0] for _ in numbers],
        "meta/episodes/chunk_index": none,
        "meta/episodes/file_index": none,
    }
    for key in (DEPTH, FRONT, WRIST):
        rows |= {f"videos/{key}/chunk_index": none, f"videos/{key}/file_index": none}
        rows[f"videos/{key}/from_timestamp"] = [n * LENGTH_S for n in numbers]
        rows[f"videos/{key}/to_timestamp"] = [(n + 1) * LENGTH_S for n in numbers]
    return rows


def _images(colours: Sequence[tuple[int, int, int]], key: str) -> NDArray[np.uint8]:
    """Return the images of episodes; the front camera alone sees their colours."""
    seen = np.array(colours) if key == FRONT else np.full((len(colours), 3), 128)
    images = np.repeat(seen, FRAMES, 0)[:, None, None]
    return np.broadcast_to(images, (len(images), SIDE, SIDE, 3)).astype(np.uint8)


def _video(path: Path, images: NDArray[np.uint8]) -> None:
    """Encode as lerobot does: AV1, a key frame every second image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"g": "2", "crf": "30", "preset": "12", "svtav1-params": "lp=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libsvtav1", FPS, options=options)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def _table(path: Path, columns: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), path)


def _pandas_table(path: Path, columns: dict[str, Any]) -> None:
    """Write a table whose last column is the index of a pandas.DataFrame."""
    table = pyarrow.table({name: list(values) for name, values in columns.items()})
    about = {"index_columns": [table.column_names[-1]], "columns": []}
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(about)}), path)
