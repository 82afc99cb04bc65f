# SPDX-License-Identifier: Apache-2.0
"""Episodes on disk: frames, labels, and the clips that can be cut from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episode_file import read_frames
from vljepa_ros.recipes.default_model.simulation.labels import Signals, label_episode
from vljepa_ros.recipes.default_model.simulation.robosuite_tasks import ROBOSUITE_TASKS
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import BY_NAME

METAWORLD, ROBOSUITE, DROID = "metaworld", "robosuite", "droid"
QUERY_NAMES = ("action", "object", "held", "task")
FRAME_RATE_HZ = 10.0  # of the stored frames


@dataclass(frozen=True)
class StoredEpisode:
    """One episode's file.

    Attributes:
        path: of the file.
        task: the file's name without its number.
        labels: a list of labels, one per frame, for every query; None if the query has no answer.
        family: "metaworld", "robosuite" or "droid".
    """

    path: Path
    task: str
    labels: Mapping[str, Sequence[str | None]]
    family: str = METAWORLD

    def __len__(self) -> int:
        return len(self.labels["action"])

    def frames(self) -> NDArray[np.uint8]:
        """Decode the frames (F, H, W, 3), RGB.

        Raises:
            ValueError: a frame of the file is no JPEG.
        """
        return read_frames(self.path)


def load_episodes(folder: Path, split: str) -> list[StoredEpisode]:
    """Return the episodes of a split in name order, labelled.

    Raises:
        FileNotFoundError: the split has none.
    """
    episodes = [_load(path) for path in sorted((folder / split).glob("*.npz"))]
    if not episodes:
        raise FileNotFoundError(f"no episodes in {folder / split}; run make_data first")
    return episodes


def simulated(episodes: Sequence[StoredEpisode]) -> list[StoredEpisode]:
    """Return the episodes whose labels are phrases: what is said of a real clip is said once."""
    return [episode for episode in episodes if episode.family != DROID]


def real(episodes: Sequence[StoredEpisode]) -> list[StoredEpisode]:
    """Return the others: clips of real robots."""
    return [episode for episode in episodes if episode.family == DROID]


def _load(path: Path) -> StoredEpisode:
    name = path.stem.rpartition("_")[0]
    with np.load(path) as data:
        if "instruction" in data:
            labels = instruction_labels(str(data["instruction"]), len(data["ends"]))
            return StoredEpisode(path, name, labels, DROID)
        signals = Signals(**{field: data[field] for field in Signals.__dataclass_fields__})
    if name in ROBOSUITE_TASKS:
        return StoredEpisode(path, name, label_episode(ROBOSUITE_TASKS[name], signals), ROBOSUITE)
    return StoredEpisode(path, name, label_episode(BY_NAME[name], signals), METAWORLD)


def instruction_labels(instruction: str, frames: int) -> dict[str, list[str | None]]:
    """Return the labels of a clip of which only the instruction is known."""
    unknown: list[str | None] = [None] * frames
    return {query: unknown for query in QUERY_NAMES} | {"task": [f"said:{instruction}"] * frames}


def stride(rate_hz: float) -> int:
    """Return how many stored frames lie from one to the next of a model's stream."""
    return round(FRAME_RATE_HZ / rate_hz)


def clip_indices(end: int, frames: int, rate_hz: float) -> NDArray[np.int64]:
    """Return the frames of the clip that ends at frame ``end``; before the first, it repeats."""
    return np.maximum(end - stride(rate_hz) * np.arange(frames - 1, -1, -1), 0)
