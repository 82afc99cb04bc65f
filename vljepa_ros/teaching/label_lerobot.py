# SPDX-License-Identifier: Apache-2.0
"""Labels from a LeRobot dataset: the tasks and subtasks of its episodes, layouts v2.x and v3.

Each episode is a recording of its own, although v3 puts many into one video. A task answers the
query ``task``, a subtask ``action``. If all episodes have one task and there are subtasks, the
task is left out: it tells nothing apart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.teaching.label_row import (
    Footage,
    LabelFault,
    LabelRow,
    Place,
    RowError,
    label_text,
)

INFO = "meta/info.json"
TASK, ACTION = "task", "action"
_INDEX = "__index_level_0__"  # what pandas calls an index without a name
_LEVELS = ((TASK, "task"), (ACTION, "subtask"))  # query, and what LeRobot calls it


def is_lerobot(folder: Path) -> bool:
    """Whether a folder is a LeRobot dataset."""
    return (folder / INFO).is_file()


@dataclass(frozen=True)
class _Episode:
    """What the dataset says of one episode.

    Attributes:
        video: its images.
        rows: the table with its frames.
    """

    number: int
    video: Footage
    rows: Path


def read_lerobot(folder: Path, camera: str = "") -> Iterator[LabelRow | LabelFault]:
    """Yield the labels of a dataset, and what is wrong with its episodes.

    Args:
        folder: of the dataset.
        camera: key of the video feature; "" is the dataset's first.

    Raises:
        OSError: a file cannot be read.
    """
    info_file = folder / INFO
    try:
        info = FieldReader(json.loads(info_file.read_text(encoding="utf-8")), "info")
        key = _camera(info, camera)
        episodes = list(_episodes(folder, info, key))
        texts = {query: _texts(folder, name) for query, name in _LEVELS}
        labels = list(_labels(episodes, texts))
    except (FieldError, RowError, ValueError, KeyError) as error:
        yield LabelFault(Place(info_file), f"the dataset cannot be read: {error}")
        return
    tasks = {each.text for each in labels if isinstance(each, LabelRow) and each.query == TASK}
    has_subtasks = any(isinstance(each, LabelRow) and each.query == ACTION for each in labels)
    for each in labels:
        one_task = len(tasks) == 1 and has_subtasks
        if not (one_task and isinstance(each, LabelRow) and each.query == TASK):
            yield each


def _camera(info: FieldReader, wanted: str) -> str:
    features = info.section("features")
    kinds = {key: features.section(key).string("dtype") for key in features.names()}
    videos = [key for key, kind in kinds.items() if kind == "video"]
    if wanted in videos or (videos and not wanted):
        return wanted or videos[0]
    if not videos:
        raise RowError("it has no videos; images in its tables are not read")
    raise RowError(f"it has no camera {wanted!r}; it has {', '.join(videos)}")


def _episodes(folder: Path, info: FieldReader, key: str) -> Iterator[_Episode]:
    video, data = info.text("video_path"), info.text("data_path")
    if "{episode_index" not in video:
        yield from _episodes_v3(folder, video, data, key)
        return
    chunk = info.whole("chunks_size")
    for line in _json_lines(folder / "meta/episodes.jsonl"):
        number = line.integer("episode_index")
        names = {"episode_chunk": number // chunk, "episode_index": number, "video_key": key}
        footage = Footage(folder / video.format(**names))
        yield _Episode(number, footage, folder / data.format(**names))


def _episodes_v3(folder: Path, video: str, data: str, key: str) -> Iterator[_Episode]:
    prefix = f"videos/{key}/"
    for file in sorted((folder / "meta/episodes").glob("*/*.parquet")):
        for row in _table(file):
            video_names = {
                "chunk_index": row[f"{prefix}chunk_index"],
                "file_index": row[f"{prefix}file_index"],
                "video_key": key,
            }
            data_names = {
                "chunk_index": row["data/chunk_index"],
                "file_index": row["data/file_index"],
            }
            footage = Footage(
                folder / video.format(**video_names),
                start=float(row[f"{prefix}from_timestamp"]),
                end=float(row[f"{prefix}to_timestamp"]),
            )
            yield _Episode(row["episode_index"], footage, folder / data.format(**data_names))


def _texts(folder: Path, name: str) -> dict[int, str]:
    """Return the tasks (or subtasks) of a dataset by number."""
    lines, table = folder / f"meta/{name}s.jsonl", folder / f"meta/{name}s.parquet"
    if table.is_file():
        return {
            row[f"{name}_index"]: str(row.get(name, row.get(_INDEX, ""))) for row in _table(table)
        }
    if lines.is_file():
        return {line.integer(f"{name}_index"): line.string(name) for line in _json_lines(lines)}
    return {}


def _labels(
    episodes: Iterable[_Episode], texts: Mapping[str, Mapping[int, str]]
) -> Iterator[LabelRow | LabelFault]:
    frames: dict[Path, dict[int, list[dict[str, Any]]]] = {}
    for episode in episodes:
        place = Place(episode.rows)
        if episode.rows not in frames:
            frames.clear()  # one file after the other: a large one does not stay
            frames[episode.rows] = _by_episode(episode.rows)
        rows = frames[episode.rows].get(episode.number, [])
        if not rows:
            yield LabelFault(place, f"episode {episode.number} has no frames")
        for query, name in _LEVELS:
            if rows and f"{name}_index" in rows[0] and texts[query]:
                yield from _spans(episode, rows, query, f"{name}_index", texts[query])


def _by_episode(file: Path) -> dict[int, list[dict[str, Any]]]:
    wanted = {"episode_index", "timestamp", "task_index", "subtask_index"}
    episodes: dict[int, list[dict[str, Any]]] = {}
    for row in _table(file, wanted):
        episodes.setdefault(row["episode_index"], []).append(row)
    return episodes


def _spans(
    episode: _Episode, rows: list[dict[str, Any]], query: str, index: str, texts: Mapping[int, str]
) -> Iterator[LabelRow | LabelFault]:
    """Yield a label for each run of frames with one number; a number below 0 says nothing."""
    place = Place(episode.rows)
    begins = [0, *(n for n in range(1, len(rows)) if rows[n][index] != rows[n - 1][index])]
    for begin, after in zip(begins, [*begins[1:], len(rows)], strict=True):
        number = rows[begin][index]
        if number is None or number < 0:
            continue
        start = float(rows[begin]["timestamp"])
        end = float(rows[after]["timestamp"]) if after < len(rows) else math.inf
        try:
            text = label_text(texts.get(number, ""))
        except RowError as error:
            yield LabelFault(place, f"episode {episode.number}, {index} {number}: {error}")
        else:
            yield LabelRow(episode.video, query, start if begin else 0.0, end, text, place)


def _table(file: Path, wanted: set[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file.

    Raises:
        RowError: pyarrow is missing, or the file is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise RowError("its tables need a package: pip install pyarrow") from error
    try:
        columns = [
            name for name in parquet.read_schema(file).names if not wanted or name in wanted
        ]
        rows: list[dict[str, Any]] = parquet.read_table(file, columns=columns).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise RowError(f"{file} cannot be read ({error})") from error
    return rows


def _json_lines(file: Path) -> Iterator[FieldReader]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield FieldReader(json.loads(line), f"{file.name}, line {number}")
