# SPDX-License-Identifier: Apache-2.0
"""Frame features of the episodes: the trunk is frozen, so each episode passes it once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.recipes.default_model.episodes import StoredEpisode
from vljepa_ros.training.feature_cache import FeatureCache, content_mark
from vljepa_ros.training.trunk_features import TrunkFeatures

FOLDER = "features"


class EpisodeFeatures:
    """The trunk's features of the episodes in a folder ``data``, kept in ``data/features``."""

    def __init__(self, data: Path) -> None:
        trunk = FrameEncoder()
        self._cache = FeatureCache(data / FOLDER, trunk)
        self._encode = TrunkFeatures(trunk, DEFAULT, self._cache.folder)

    def __call__(self, episode: StoredEpisode) -> NDArray[np.float16]:
        """Return the features (F, C, h, w) of an episode's frames; compute what is missing."""
        features = self._cache.get(_key(episode))
        if features is None:
            features = self._encode(episode.frames())
            self.put(episode, features)
        return features

    def put(self, episode: StoredEpisode, features: NDArray[np.float16]) -> None:
        """Keep the features (F, C, h, w) of an episode's frames."""
        self._cache.put(_key(episode), features)


def _key(episode: StoredEpisode) -> str:
    """Return a key that stays the same when the folder of the data is moved."""
    split, name = episode.path.parts[-2:]
    return f"{split}/{name} {content_mark(episode.path)}"
