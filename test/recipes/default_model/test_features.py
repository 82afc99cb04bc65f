# SPDX-License-Identifier: Apache-2.0
"""Features of episodes: what robots compute, once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

for package in ("torch", "onnxscript", "efficientnet_lite_pytorch"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from vljepa_ros.recipes.default_model.episode_file import write_episode  # noqa: E402
from vljepa_ros.recipes.default_model.episodes import StoredEpisode  # noqa: E402
from vljepa_ros.recipes.default_model.features import EpisodeFeatures  # noqa: E402
from vljepa_ros.runtime.bundle import default_bundle_path  # noqa: E402
from vljepa_ros.runtime.model import VLJepa  # noqa: E402

FRAMES = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_pictures(folder, seed=0)
    return folder


def write_pictures(data: Path, seed: int) -> None:
    """Write an episode of pictures of the model's size, without the simulator's signals."""
    rng = np.random.default_rng(seed)
    coarse = [rng.integers(0, 256, (10, 10, 3), np.uint8) for _ in range(FRAMES)]
    pictures = [cv2.resize(image, (160, 160)) for image in coarse]
    (data / "val").mkdir(exist_ok=True)
    write_episode(episode(data).path, pictures, {})


def episode(data: Path) -> StoredEpisode:
    return StoredEpisode(data / "val" / "dial-turn_0000.npz", "dial-turn", {})


@pytest.mark.slow
def test_they_are_those_of_the_shipped_bundle(data: Path) -> None:
    features = EpisodeFeatures(data)(episode(data))
    assert features.shape == (FRAMES, 112, 10, 10) and features.dtype == np.float16
    robot = VLJepa.load(default_bundle_path())
    expected = np.stack([robot.encode_frame(frame) for frame in episode(data).frames()])
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)  # of float16


def test_they_are_computed_once_also_if_the_data_are_moved(data: Path, tmp_path: Path) -> None:
    first = EpisodeFeatures(data)(episode(data))
    moved = shutil.copytree(data, tmp_path / "moved")  # with the files' times
    (file,) = moved.rglob("*.npy")
    np.save(file, first + 1)
    np.testing.assert_array_equal(EpisodeFeatures(moved)(episode(moved)), first + 1)


def test_an_episode_that_was_rendered_again_is_encoded_again(data: Path, tmp_path: Path) -> None:
    again = shutil.copytree(data, tmp_path / "again")
    first = EpisodeFeatures(again)(episode(again))
    before = episode(again).path.stat()
    write_pictures(again, seed=1)
    os.utime(episode(again).path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert not np.array_equal(EpisodeFeatures(again)(episode(again)), first)
