# SPDX-License-Identifier: Apache-2.0
"""All frames of a split, and their features, which stay on disk: they are many gigabytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.recipes.default_model.episodes import StoredEpisode

Features = Callable[[StoredEpisode], NDArray[np.float16]]
"""The features (F, C, h, w) of an episode's frames."""

_SIDE = re.compile(r"\b(left|right|clockwise|counterclockwise)\b")


class FrameSet:
    """The frames of a split, one episode after the other.

    Attributes:
        begins: the first row of each frame's episode, int64 (frames).
        ends: the row after the last one, int64 (frames).
        sided: True on frames (frames) of episodes whose labels tell left from right.
        families: rows of the frames of each family of episodes.
    """

    def __init__(
        self,
        episodes: Sequence[StoredEpisode],
        features: Features,
        config: ModelConfig,
    ) -> None:
        """Take the episodes; features that are not kept yet are computed now."""
        lengths = [len(episode) for episode in episodes]
        last = np.cumsum(lengths)
        self.begins, self.ends = (np.repeat(x, lengths) for x in (last - lengths, last))
        self.sided = np.repeat([_is_sided(episode) for episode in episodes], lengths)
        of_frame = np.repeat([episode.family for episode in episodes], lengths)
        self.families = {
            str(name): np.flatnonzero(of_frame == name) for name in np.unique(of_frame)
        }
        x = config.x_encoder
        self._shape = x.channels, x.grid, x.grid
        self._episodes, self._features = episodes, features
        self._number = np.repeat(np.arange(len(episodes)), lengths)
        for episode in tqdm(episodes, "features"):
            features(episode)

    def of(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the features (..., C, h, w) float32 of frames (...)."""
        found = np.empty((*rows.shape, *self._shape), np.float32)
        numbers = self._number[rows]
        for number in np.unique(numbers):
            here = numbers == number
            found[here] = self._features(self._episodes[number])[
                rows[here] - self.begins[rows[here]]
            ]
        return torch.from_numpy(found)


def _is_sided(episode: StoredEpisode) -> bool:
    labels = {label for named in episode.labels.values() for label in named if label}
    return any(_SIDE.search(label.lower()) for label in labels)
