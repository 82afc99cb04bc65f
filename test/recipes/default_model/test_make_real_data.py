# SPDX-License-Identifier: Apache-2.0
"""Real clips become episodes whose only answer is the instruction."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from vljepa_ros.recipes.default_model import make_real_data
from vljepa_ros.recipes.default_model.episodes import DROID, load_episodes


@pytest.fixture
def clips(tmp_path):
    """A folder with two clips of 30 frames at the episodes' rate, each frame its own grey."""
    folder = tmp_path / "droid"
    (folder / "clips").mkdir(parents=True)
    for name in ("0000.mp4", "0001.mp4"):
        file = str(folder / "clips" / name)
        video = cv2.VideoWriter(file, cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 36))
        for number in range(30):
            video.write(np.full((36, 64, 3), 8 * number, np.uint8))
        video.release()
    (folder / "clips.csv").write_text(
        "clip,text,site\n0000.mp4,Put the pot  upright.,5030472d\n0001.mp4,Fold it,36906660\n"
    )
    return folder


def test_a_clip_becomes_an_episode_with_its_instruction(clips, tmp_path, monkeypatch):
    out = tmp_path / "data"
    arguments = ["make_real_data", "--droid", str(clips), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", arguments)
    make_real_data.main()
    (trained,), (held_out,) = load_episodes(out, "train"), load_episodes(out, "droid_test")
    assert trained.family == held_out.family == DROID
    assert set(trained.labels["task"]) == {"said:put the pot upright"}
    assert set(held_out.labels["task"]) == {"said:fold it"}
    for query in ("action", "object", "held"):
        assert set(trained.labels[query]) == {None}
    assert trained.frames().shape == (len(trained), 160, 160, 3)


def test_frames_are_ten_a_second_of_the_robots_time(clips):
    """The file shows ten frames a second at twice the robot's speed, so each is there twice."""
    shown = [int(frame.mean()) for frame in make_real_data.frames_of(clips / "clips" / "0000.mp4")]
    assert len(shown) == 2 * 30 - 1
    assert shown == sorted(shown)


def test_sites_are_in_one_split_only():
    assert not make_real_data.TEST_SITES & make_real_data.VAL_SITES
    assert len(make_real_data.TEST_SITES) >= 3
    assert make_real_data.split_of("another") == "train"
