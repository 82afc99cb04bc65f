# SPDX-License-Identifier: Apache-2.0
"""The clips that teach and test: trunk features of every frame, and the labels at their ends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.wordings import COMPOSED, Wordings
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.recipes.default_model.episodes import (
    QUERY_NAMES,
    StoredEpisode,
    clip_indices,
    load_episodes,
)
from vljepa_ros.recipes.default_model.frame_set import Features, FrameSet


class Clips:
    """A clip for every frame of some episodes.

    Attributes:
        sided: True on clips (frames) of episodes whose labels tell left from right.
        targets: the number of each frame's label for each query, int64 (frames, queries); -1 if
            it has none.
    """

    def __init__(
        self,
        episodes: Sequence[StoredEpisode],
        features: Features,
        config: ModelConfig,
        wordings: Wordings,
    ) -> None:
        """Read the features of all episodes; ``config`` gives their shape."""
        self._frames = FrameSet(episodes, features, config)
        lengths = [len(episode) for episode in episodes]
        self._first = self._frames.ends - np.repeat(lengths, lengths)
        self.sided = self._frames.sided
        self.targets = np.concatenate([wordings.targets(episode) for episode in episodes])

    def __len__(self) -> int:
        return len(self.targets)

    def visual(self, ends: NDArray[np.int64], config: ModelConfig) -> Tensor:
        """Return the features (B, T, C, h, w) of the clips that end at frames (B)."""
        first = self._first[ends]
        frames, rate_hz = config.clip_frames, config.clip_rate_hz
        steps = [clip_indices(end, frames, rate_hz) for end in ends - first]
        return self._frames.of(first[:, None] + np.stack(steps))

    def tested(self, count: int, wordings: Wordings) -> NDArray[np.int64]:
        """Return the ends of clips that test: ``count`` of them, and half as many left out ones.

        They are spread evenly over the episodes. A left out clip shows a label that is never
        trained.
        """
        of_query = self.targets[:, QUERY_NAMES.index(COMPOSED)]
        trained = np.isin(of_query, wordings.trained)
        left_out = (of_query >= 0) & ~trained
        chosen = [_spread(trained, count), _spread(left_out, count // 2)]
        return np.concatenate(chosen)


def read_episodes(data: Path, split: str, most: int) -> list[StoredEpisode]:
    """Return at most so many episodes of a split, spread evenly over it."""
    episodes = load_episodes(data, split)
    return [episodes[n] for n in _spread(np.ones(len(episodes), bool), most)]


def _spread(usable: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    places = np.flatnonzero(usable)
    count = min(count, len(places))
    return places[np.linspace(0, len(places) - 1, count).astype(int)] if count else places
