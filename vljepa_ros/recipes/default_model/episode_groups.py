# SPDX-License-Identifier: Apache-2.0
"""Which splits are trained on, and which ones training is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vljepa_ros.recipes.default_model.episodes import StoredEpisode, load_episodes

TRAINING = ("train", "train_mild")
VALIDATION = ("val", "val_wide", "droid_val")


def load_training(data: Path) -> list[StoredEpisode]:
    """Return the episodes to train on.

    Raises:
        FileNotFoundError: there are none.
    """
    return _load(data, TRAINING) or load_episodes(data, TRAINING[0])  # which says what is missing


def load_validation(data: Path) -> list[StoredEpisode]:
    """Return the episodes that training is measured on, and bundles are calibrated with."""
    return _load(data, VALIDATION)


def _load(data: Path, splits: Sequence[str]) -> list[StoredEpisode]:
    there = [split for split in splits if any((data / split).glob("*.npz"))]
    return [episode for split in there for episode in load_episodes(data, split)]
