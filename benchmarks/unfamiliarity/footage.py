# SPDX-License-Identifier: Apache-2.0
"""What is shown to the model: named groups of streams, each a run of timed frames.

Groups whose files are not there are named aloud and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.unfamiliarity.render import OTHER_ROBOT, OTHER_TASKS
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ, StoredEpisode, load_episodes
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.pixels import rgb_pixels

KNOWN, VALIDATION, HELD_OUT, CAMERAS = "train", "val", "test", "side"
"""Groups of the recipe's own episodes, which have labels; the names are those of its splits."""

TABLE_LENGTH_S = 10.0  # of a film, at most
_NS = 1e9

Frames = Iterable[tuple[int, NDArray[np.uint8]]]


@dataclass(frozen=True)
class Footage:
    """One stream.

    Attributes:
        name: for people, and for the cache.
        frames: returns (stamp in ns, RGB uint8 (H, W, 3)) at 10 Hz or less.
        labels: label of each frame by query; None if nobody knows.
    """

    name: str
    frames: Callable[[], Frames]
    labels: Mapping[str, list[str]] | None = None


def episodes(data: Path, split: str) -> list[Footage]:
    """Return the labelled episodes of a split of the recipe."""
    return [_of_episode(episode) for episode in load_episodes(data, split)]


def rendered(data: Path, kind: str) -> list[Footage]:
    """Return the episodes without labels that :mod:`.render` wrote."""
    files = sorted((data / kind).glob("*.npz"))
    found = [StoredEpisode(file, file.stem.rpartition("_")[0], {}) for file in files]
    return [Footage(f"{kind}/{one.path.stem}", partial(_stored, one)) for one in found]


def films(folder: Path, pattern: str = "*.mp4", most: int = 40) -> list[Footage]:
    """Return at most ``most`` videos of a folder, taken evenly from all."""
    files = sorted(folder.glob(pattern))
    chosen = files[:: max(1, len(files) // most)][:most]
    return [Footage(f"{folder}/{file.name}", partial(_film, file)) for file in chosen]


def spoilt(streams: Iterable[Footage], change: str) -> list[Footage]:
    """Return streams as a broken camera would show them; ``change`` is one of :data:`FAULTS`."""
    return [
        Footage(f"{change} {one.name}", partial(_changed, one.frames, FAULTS[change]))
        for one in streams
    ]


def _of_episode(episode: StoredEpisode) -> Footage:
    name = f"{episode.path.parent.name}/{episode.path.stem}"
    return Footage(name, partial(_stored, episode), episode.labels)


def _stored(episode: StoredEpisode) -> Frames:
    for i, frame in enumerate(episode.frames()):
        yield round(i / FRAME_RATE_HZ * _NS), frame


def _film(file: Path) -> Frames:
    """Yield a film's frames at 10 Hz at most, no more than its first seconds."""
    due = first = -1.0
    with open_source(str(file)) as source:
        for frame in source.frames():
            seconds = frame.stamp_ns / _NS
            first = seconds if first < 0 else first
            if seconds - first > TABLE_LENGTH_S:
                return
            if seconds >= due:
                due = max(due, seconds) + 0.999 / FRAME_RATE_HZ
                yield frame.stamp_ns, rgb_pixels(frame)


def _changed(
    frames: Callable[[], Frames], change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    return ((stamp, change(frame)) for stamp, frame in frames())


def _noise(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.random.default_rng(int(frame.sum())).integers(0, 256, frame.shape, np.uint8)


def _covered(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A finger on the lens: dark red, uneven and without structure, with the sensor's noise."""
    rng = np.random.default_rng(int(frame.sum()))
    shade = np.linspace(0.5, 1.5, frame.shape[1])[None, :, None] * np.array([60, 18, 12])
    return np.clip(shade + rng.normal(0, 3, frame.shape), 0, 255).astype(np.uint8)


FAULTS: Mapping[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "black": np.zeros_like,
    "noise": _noise,
    "blur": lambda frame: cv2.GaussianBlur(frame, (0, 0), frame.shape[1] / 20).astype(np.uint8),
    "covered lens": _covered,
}
"""What a broken camera makes of a frame, by name."""

__all__ = ["OTHER_ROBOT", "OTHER_TASKS"]
