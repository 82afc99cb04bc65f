# SPDX-License-Identifier: Apache-2.0
"""All frames of a split, and their features."""

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
        features: of all frames, float16 (frames, C, h, w).
        ends: the row after the last one of each frame's episode, int64 (frames).
        sided: True on frames (frames) of episodes whose labels tell left from right.
        families: rows of the frames of each family of episodes.
    """

    def __init__(
        self,
        episodes: Sequence[StoredEpisode],
        features: Features,
        config: ModelConfig,
    ) -> None:
        """Read the features of all episodes."""
        lengths = [len(episode) for episode in episodes]
        last = np.cumsum(lengths)
        self.ends = np.repeat(last, lengths)
        self.sided = np.repeat([_is_sided(episode) for episode in episodes], lengths)
        of_frame = np.repeat([episode.family for episode in episodes], lengths)
        self.families = {
            str(name): np.flatnonzero(of_frame == name) for name in np.unique(of_frame)
        }
        x = config.x_encoder
        self.features = np.empty((last[-1], x.channels, x.grid, x.grid), np.float16)
        for episode, end in tqdm(list(zip(episodes, last, strict=True)), "features"):
            self.features[end - len(episode) : end] = features(episode)

    def streams(self, rows: NDArray[np.int64]) -> Tensor:
        """Return the features (B, T, C, h, w) float32 of frames (B, T)."""
        return torch.from_numpy(self.features[rows]).float()


def _is_sided(episode: StoredEpisode) -> bool:
    labels = {label for named in episode.labels.values() for label in named if label}
    return any(_SIDE.search(label.lower()) for label in labels)
