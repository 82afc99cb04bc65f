# SPDX-License-Identifier: Apache-2.0
"""Labels from a LeRobot dataset: the tasks and subtasks of its episodes, layouts v2.x and v3.

Each episode is a recording of its own, although v3 puts many into one video. A task answers the
query ``task``, a subtask ``action``. If all episodes have one task and there are subtasks, the
task is left out: it tells nothing apart. Subtasks are numbers of the frames (``subtask_index``),
or texts that begin at a time (``language_persistent``, which newer datasets have).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.teaching.label_row import (
    Footage,
    LabelFault,
    LabelRow,
    Place,
    RowError,
    label_text,
)

if TYPE_CHECKING:
    import pyarrow

INFO = "meta/info.json"
TASK, ACTION = "task", "action"
_INDEX = "__index_level_0__"  # what pandas calls an index without a name
_LEVELS = ((TASK, "task"), (ACTION, "subtask"))  # query, and what LeRobot calls it
_LANGUAGE, _SUBTASK = "language_persistent", "subtask"
_NUMBERS = {"episode_index", "timestamp", "task_index", "subtask_index"}
_ABOUT_VIDEO = ("info", "video_info")  # the second one in older datasets
_DEPTH = ("is_depth_map", "video.is_depth_map")


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
    videos = [key for key in features.names() if _is_video(features.section(key))]
    if wanted in videos or (videos and not wanted):
        return wanted or videos[0]
    if not videos:
        raise RowError("it has no videos; images in its tables are not read")
    raise RowError(f"it has no camera {wanted!r}; it has {', '.join(videos)}")


def _is_video(feature: FieldReader) -> bool:
    """Whether a feature is a video of colours; depth is one too, and no model of ours sees it."""
    about = [feature.section(name) for name in _ABOUT_VIDEO if feature.gives(name)]
    depth = any(one.gives(key) and one.flag(key) for one in about for key in _DEPTH)
    return feature.string("dtype") == "video" and not depth


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
    places = ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    wanted = {"episode_index", "data/chunk_index", "data/file_index"}
    wanted |= {prefix + place for place in places}
    for file in sorted((folder / "meta/episodes").glob("*/*.parquet")):
        for row in _table(file, wanted).to_pylist():
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
            row[f"{name}_index"]: str(row.get(name, row.get(_INDEX, "")))
            for row in _table(table).to_pylist()
        }
    if lines.is_file():
        return {line.integer(f"{name}_index"): line.string(name) for line in _json_lines(lines)}
    return {}


def _labels(
    episodes: Iterable[_Episode], texts: Mapping[str, Mapping[int, str]]
) -> Iterator[LabelRow | LabelFault]:
    frames: dict[Path, Mapping[int, pyarrow.Table]] = {}
    for episode in episodes:
        if episode.rows not in frames:
            frames.clear()  # one file after the other: a large one does not stay
            frames[episode.rows] = _by_episode(episode.rows)
        table = frames[episode.rows].get(episode.number)
        if table is None:
            yield LabelFault(Place(episode.rows), f"episode {episode.number} has no frames")
            continue
        for query, name in _LEVELS:
            if f"{name}_index" in table.column_names and texts[query]:
                yield from _numbered(episode, table, query, f"{name}_index", texts[query])
        if _LANGUAGE in table.column_names:
            yield from _subtasks(episode, table[_LANGUAGE][0].as_py() or ())


def _by_episode(file: Path) -> Mapping[int, pyarrow.Table]:
    """Return the frames of each episode of a file, by its number."""
    table = _table(file, _NUMBERS | {_LANGUAGE})
    numbers = table["episode_index"].to_numpy()
    begins = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return {
        int(numbers[begin]): table.slice(begin, end - begin)
        for begin, end in pairwise(begins)
        if end > begin
    }


def _numbered(
    episode: _Episode, table: pyarrow.Table, query: str, index: str, texts: Mapping[int, str]
) -> Iterator[LabelRow | LabelFault]:
    """Yield a label for each run of frames with one number; a number below 0 says nothing."""
    numbers, stamps = table[index].to_pylist(), table["timestamp"].to_pylist()
    begins = [0, *(n for n in range(1, len(numbers)) if numbers[n] != numbers[n - 1])]
    starts = [0.0, *(float(stamps[begin]) for begin in begins[1:])]
    for begin, start, end in zip(begins, starts, [*starts[1:], math.inf], strict=True):
        number = numbers[begin]
        if number is not None and number >= 0:
            about = f"{index} {number}"
            yield _label(episode, query, start, end, texts.get(number, ""), about)


def _subtasks(
    episode: _Episode, rows: Iterable[Mapping[str, Any]]
) -> Iterator[LabelRow | LabelFault]:
    """Yield a label for each subtask: it holds until the next one begins."""
    of_style = (row for row in rows if row.get("style") == _SUBTASK)
    found = sorted(of_style, key=lambda row: float(row["timestamp"]))
    starts = [float(row["timestamp"]) for row in found]
    for row, start, end in zip(found, starts, [*starts[1:], math.inf][: len(found)], strict=True):
        about = f"the subtask at {start:g} s"
        yield _label(episode, ACTION, start, end, str(row["content"] or ""), about)


def _label(
    episode: _Episode, query: str, start: float, end: float, text: str, about: str
) -> LabelRow | LabelFault:
    place = Place(episode.rows)
    try:
        return LabelRow(episode.video, query, start, end, label_text(text), place)
    except RowError as error:
        return LabelFault(place, f"episode {episode.number}, {about}: {error}")


def _table(file: Path, wanted: set[str] | None = None) -> pyarrow.Table:
    """Return a Parquet file, or those of the wanted columns that it has.

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
        return parquet.read_table(file, columns=columns)
    except (pyarrow.ArrowException, OSError) as error:
        raise RowError(f"{file} cannot be read ({error})") from error


def _json_lines(file: Path) -> Iterator[FieldReader]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield FieldReader(json.loads(line), f"{file.name}, line {number}")
