# SPDX-License-Identifier: Apache-2.0
"""What is shown to the model: streams, each a run of timed frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ, StoredEpisode, load_episodes
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.pixels import rgb_pixels

OTHER_TASKS, OTHER_ROBOT = "other_tasks", "other_robot"
"""Folders of episodes without labels."""

_LONGEST_S = 10.0  # of a stream without labels
_NS = 1e9

Image = NDArray[np.uint8]
Frames = Iterator[tuple[int, Image]]


@dataclass(frozen=True)
class Stream:
    """One recording.

    Attributes:
        name: for people, and for the cache.
        frames: returns stamps in ns and RGB images (H, W, 3), at 10 Hz or less.
        answers: the right phrase at each frame by query; none if nobody knows.
    """

    name: str
    frames: Callable[[], Frames]
    answers: Mapping[str, Sequence[str]]


def labelled(data: Path, split: str) -> list[Stream]:
    """Return the labelled episodes of a split of the recipe; none if there are none."""
    if not (data / split).is_dir():
        return []
    return [
        Stream(
            f"{split}/{episode.path.stem}",
            partial(_stored, episode.path),
            {query: list(map(language.canonical, e)) for query, e in episode.labels.items()},
        )
        for episode in load_episodes(data, split)
    ]


def unlabelled(folder: Path) -> list[Stream]:
    """Return the stored episodes of a folder, without labels."""
    files = sorted(folder.glob("*.npz"))
    return [
        Stream(f"{folder.name}/{file.stem}", partial(_stored, file, _LONGEST_S), {})
        for file in files
    ]


def films(folder: Path, most: int) -> list[Stream]:
    """Return at most ``most`` videos of a folder, taken evenly from all."""
    files = sorted(folder.glob("*.mp4"))
    chosen = files[:: max(1, -(-len(files) // most))]
    return [Stream(f"{folder}/{file.name}", partial(_film, file), {}) for file in chosen]


def spoilt(streams: Iterable[Stream], fault: str) -> list[Stream]:
    """Return streams as a broken camera shows them; ``fault`` is one of :data:`FAULTS`."""
    return [
        Stream(f"{fault}/{one.name}", partial(_changed, one.frames, FAULTS[fault]), {})
        for one in streams
    ]


def _stored(file: Path, longest_s: float = math.inf) -> Frames:
    """Yield an episode's first frames, at its own stamps if it has some."""
    with np.load(file) as data:
        if "stamps_s" in data:
            stamps_s = data["stamps_s"]
        else:
            stamps_s = np.arange(len(data["ends"])) / FRAME_RATE_HZ
    frames = StoredEpisode(file, "", {}).frames()
    for seconds, frame in zip(stamps_s, frames, strict=True):
        if seconds <= longest_s:
            yield round(seconds * _NS), frame


def _film(file: Path) -> Frames:
    """Yield the frames of a film's first seconds, ten a second at most."""
    first_s = due_s = None
    with open_source(str(file)) as source:
        for frame in source.frames():
            seconds = frame.stamp_ns / _NS
            first_s = seconds if first_s is None else first_s
            if seconds - first_s > _LONGEST_S:
                return
            if due_s is None or seconds >= due_s:
                due_s = seconds + 0.99 / FRAME_RATE_HZ
                yield frame.stamp_ns, rgb_pixels(frame)


def _changed(frames: Callable[[], Frames], change: Callable[[Image], Image]) -> Frames:
    return ((stamp, change(frame)) for stamp, frame in frames())


def _noise(frame: Image) -> Image:
    return np.random.default_rng(int(frame.sum())).integers(0, 256, frame.shape, np.uint8)


def _covered(frame: Image) -> Image:
    """A finger on the lens: dark red, uneven, without structure, with the sensor's noise."""
    rng = np.random.default_rng(int(frame.sum()))
    shade = np.linspace(0.5, 1.5, frame.shape[1])[None, :, None] * np.array([60, 18, 12])
    return np.clip(shade + rng.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


def _blurred(frame: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), frame.shape[1] / 20), np.uint8)


FAULTS: Mapping[str, Callable[[Image], Image]] = {
    "black": np.zeros_like,
    "noise": _noise,
    "blur": _blurred,
    "covered lens": _covered,
}
"""What a broken camera makes of a frame, by name."""
