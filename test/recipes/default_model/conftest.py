# SPDX-License-Identifier: Apache-2.0
"""The shipped model, and an episode that it can be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vljepa_ros.recipes.default_model.episode_file import write_episode
from vljepa_ros.recipes.default_model.episodes import StoredEpisode
from vljepa_ros.runtime.model import VLJepa

FRAMES = 10
OPENING, CLOSING = "task:opening the drawer", "task:closing the drawer"


@pytest.fixture(scope="module")
def model(default_bundle: Path) -> VLJepa:
    return VLJepa.load(default_bundle, threads=1)


@pytest.fixture
def episode(tmp_path: Path) -> StoredEpisode:
    """Grey frames that show something held or not, and two tasks one after the other."""
    path = tmp_path / "hammer_0000.npz"
    write_episode(path, [np.full((160, 160, 3), 90, np.uint8)] * FRAMES, {})
    held = ["holds:nothing"] * 6 + [None] * (FRAMES - 6)
    task = [OPENING] * 4 + [CLOSING] * (FRAMES - 4)
    unknown: list[str | None] = [None] * FRAMES
    labels = {"action": unknown, "object": unknown, "held": held, "task": task}
    return StoredEpisode(path, "hammer", labels)
