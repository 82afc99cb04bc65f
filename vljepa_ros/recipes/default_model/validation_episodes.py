# SPDX-License-Identifier: Apache-2.0
"""The episodes that training is measured on, and bundles are calibrated with."""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.recipes.default_model.episodes import StoredEpisode, load_episodes

SPLITS = ("val", "val_wide", "droid_val")


def load_validation(data: Path) -> list[StoredEpisode]:
    """Return the episodes of the validation splits that the data have."""
    splits = [split for split in SPLITS if any((data / split).glob("*.npz"))]
    return [episode for split in splits for episode in load_episodes(data, split)]
