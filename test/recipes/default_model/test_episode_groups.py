# SPDX-License-Identifier: Apache-2.0
"""Training and validation take the splits that are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")

from vljepa_ros.recipes.default_model.episode_file import write_episode
from vljepa_ros.recipes.default_model.episode_groups import load_training, load_validation


def write(data: Path, split: str, name: str) -> None:
    (data / split).mkdir(parents=True, exist_ok=True)
    frames = [np.zeros((16, 16, 3), np.uint8)] * 2
    write_episode(data / split / f"{name}_0000.npz", frames, {"instruction": "wipe the pan"})


def test_wide_and_mild_looks_are_trained_on(tmp_path: Path) -> None:
    for split in ("train_mild", "train", "test", "val", "droid_val"):
        write(tmp_path, split, split)
    assert [episode.task for episode in load_training(tmp_path)] == ["train", "train_mild"]
    assert [episode.task for episode in load_validation(tmp_path)] == ["val", "droid_val"]


def test_without_training_episodes_the_command_that_makes_them_is_named(tmp_path: Path) -> None:
    write(tmp_path, "val", "val")
    with pytest.raises(FileNotFoundError, match="run make_data first"):
        load_training(tmp_path)
