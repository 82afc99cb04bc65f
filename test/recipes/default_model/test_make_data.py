# SPDX-License-Identifier: Apache-2.0
"""What is rendered, from which cameras, and that it can be rendered again."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.recipes.default_model.episode_file import read_frames, write_episode
from vljepa_ros.recipes.default_model.episodes import METAWORLD, ROBOSUITE, load_episodes

pytest.importorskip("mujoco", reason="episodes are rendered where mujoco is installed")

import mujoco

from vljepa_ros.recipes.default_model.make_data import missing
from vljepa_ros.recipes.default_model.simulation import cameras
from vljepa_ros.recipes.default_model.simulation.coarse_meshes import coarsen_meshes
from vljepa_ros.recipes.default_model.simulation.labels import Signals
from vljepa_ros.recipes.default_model.simulation.robosuite_tasks import ARM_SCENES, ARMS
from vljepa_ros.recipes.default_model.simulation.scenery import draw_texture
from vljepa_ros.recipes.default_model.simulation.sensors import WildSensor
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import (
    BY_NAME,
    FIRST_TASKS,
    TASKS,
)
from vljepa_ros.recipes.default_model.simulation.splits import SPLITS, episode_seed

MILD = ("val", "test", "side", "val_paced", "test_paced")


def draws(camera: cameras.CameraDraw, count: int = 300) -> list[cameras.View]:
    rng = np.random.default_rng(0)
    return [camera(rng) for _ in range(count)]


def leftward(view: cameras.View) -> float:
    """The azimuth of a view or of its mirror image, whichever looks along +x."""
    mirrored = np.cos(np.radians(view.azimuth)) < 0
    return ((180 - view.azimuth if mirrored else view.azimuth) + 180) % 360 - 180


def test_the_measures_of_the_first_model_keep_their_seeds_and_cameras():
    assert [task.env for task in FIRST_TASKS] == [task.env for task in TASKS[:20]]
    assert episode_seed("test", 5, 0) == 3826473080
    assert episode_seed("test_paced", 19, 9) == 4234437530
    view = SPLITS["test"].camera(np.random.default_rng(episode_seed("test", 5, 0)))
    assert view.azimuth == pytest.approx(224.4108051)
    assert view.lookat == pytest.approx((-0.0402267, 0.6489466, 0.1604882), abs=1e-6)
    view = SPLITS["side"].camera(np.random.default_rng(episode_seed("side", 8, 3)))
    assert (view.azimuth, view.elevation) == pytest.approx((-61.1885907, -42.5863296))
    for split in MILD:
        assert not SPLITS[split].wide
        assert SPLITS[split].dwell_s(1) == (3.0 if split.endswith("paced") else 0.0)


def test_far_cameras_look_from_directions_that_no_other_camera_has():
    far = [leftward(view) for view in draws(SPLITS["far_side"].camera)]
    for split in SPLITS:
        if split != "far_side":
            assert max(map(leftward, draws(SPLITS[split].camera))) < min(far) - 10


def test_training_cameras_go_all_round_and_near_and_far():
    views = draws(cameras.all_round)
    assert np.ptp([leftward(view) for view in views]) > 120
    assert max(v.distance for v in views) > 2 * min(v.distance for v in views)
    assert min(v.elevation for v in views) < -55 and max(v.elevation for v in views) > -15


def test_only_wide_splits_have_the_later_tasks(tmp_path):
    counts = dict.fromkeys(("test", "val_wide"), 2)
    jobs = missing(tmp_path, METAWORLD, counts)
    assert sum(job.split == "test" for job in jobs) == 2 * len(FIRST_TASKS)
    assert sum(job.split == "val_wide" for job in jobs) == 2 * len(TASKS)
    assert {job.split for job in missing(tmp_path, ROBOSUITE, counts)} == {"val_wide"}


def test_robosuites_arms_and_scenes_keep_their_seeds(tmp_path):
    jobs = missing(tmp_path, ROBOSUITE, {"train": 1})
    assert [ARM_SCENES[job.task][0] for job in jobs[::2]] == list(ARMS)
    assert [job.path.name for job in jobs[:3]] == [
        "robosuite-lift-panda_0000.npz",
        "robosuite-stack-panda_0000.npz",
        "robosuite-lift-ur5e_0000.npz",
    ]


def test_what_is_there_is_not_rendered_again(tmp_path):
    jobs = missing(tmp_path, METAWORLD, {"train": 1})
    jobs[0].path.touch()
    assert missing(tmp_path, METAWORLD, {"train": 1}) == jobs[1:]


def test_no_two_episodes_share_a_seed():
    seeds = [episode_seed(s, t, i) for s in SPLITS for t in (0, 19, 34, 1000) for i in range(20)]
    assert len(set(seeds)) == len(seeds)


def test_sensors_and_textures_come_from_the_seed():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    seen = []
    for seed in (*range(12), 0):
        rng = np.random.default_rng(seed)
        sensor = WildSensor.draw(rng)
        seen.append(sensor.apply(sensor.apply(image, rng), rng))
        assert seen[-1].shape == image.shape and seen[-1].dtype == np.uint8
    assert np.array_equal(seen[0], seen[-1])
    assert not np.array_equal(seen[0], seen[1])
    one, same, other = (draw_texture(np.random.default_rng(seed), 16) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_only_meshes_that_nothing_can_touch_become_coarse():
    points = np.random.default_rng(0).normal(size=(400, 3))
    points *= 0.02 / np.linalg.norm(points, axis=1, keepdims=True)
    vertices = " ".join(map(str, points.ravel()))
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco><asset><mesh name="seen" vertex="{vertices}"/>
        <mesh name="touched" vertex="{vertices}"/></asset><worldbody>
        <geom type="mesh" mesh="seen" contype="0" conaffinity="0"/>
        <geom type="mesh" mesh="touched"/></worldbody></mujoco>"""
    )
    before = model.mesh_facenum.copy()
    coarsen_meshes(model)
    assert 0 < model.mesh_facenum[0] < 0.7 * before[0] and model.mesh_facenum[1] == before[1]
    start = model.mesh_faceadr[0]
    seen = model.mesh_face[start : start + model.mesh_facenum[0]]
    assert all(len(set(corners)) == 3 for corners in seen.tolist())


def test_frames_are_read_as_they_were_written(tmp_path):
    frames = [np.full((8, 8, 3), (value, 120, 240 - value), np.uint8) for value in (0, 80, 240)]
    write_episode(tmp_path / "whole.npz", frames, {})
    assert read_frames(tmp_path / "whole.npz") == pytest.approx(np.stack(frames), abs=4)


def test_a_file_with_broken_frames_says_how_many(tmp_path):
    jpeg = np.zeros(20, np.uint8)
    np.savez(tmp_path / "broken.npz", jpeg=jpeg, ends=[10, 20])
    with pytest.raises(ValueError, match="broken.npz: 2 frames are no JPEG"):
        read_frames(tmp_path / "broken.npz")


def test_a_robosuite_episode_is_labelled_by_its_signals(tmp_path):
    """A cube is grasped, lifted and set down on the other one."""
    frames = 40
    height = np.interp(range(frames), [0, 10, 20, 25, 30, frames], [0, 0, 0.2, 0.2, 0.05, 0.05])
    tool = np.stack([np.zeros(frames), np.zeros(frames), height], 1).astype(np.float32)
    tool[20:, 0] = np.minimum(np.arange(frames - 20) * 0.02, 0.1)
    held = (np.arange(frames) >= 8) & (np.arange(frames) < 32)
    signals = Signals(
        hand=tool,
        gripper=np.ones(frames, np.float32),
        grasp=held,
        touch=held,
        success=np.arange(frames) >= 32,
        tool=tool,
        gap=np.zeros(frames, np.float32),
        progress=np.zeros(frames, np.float32),
    )
    path = tmp_path / "train" / "robosuite-stack-panda_0000.npz"
    path.parent.mkdir()
    write_episode(path, [np.zeros((8, 8, 3), np.uint8)] * frames, {"seed": 0, **vars(signals)})
    (episode,) = load_episodes(tmp_path, "train")
    assert episode.family == ROBOSUITE and len(episode) == frames
    assert episode.labels["held"][20] == "holds:the red cube"
    assert episode.labels["action"][15] == "lift:the red cube"
    assert episode.labels["action"][23] == "carry:the red cube|the green cube"
    assert episode.labels["object"][0] == "table:the red cube"
    assert episode.labels["object"][-1] == "state:the red cube is on the green cube"
    assert episode.labels["task"][0] == "task:putting the red cube on the green cube"


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True])
def test_the_same_seed_gives_the_same_episode(wide, tmp_path):
    pytest.importorskip("metaworld", reason="needs the simulator")
    from vljepa_ros.recipes.default_model.simulation.episode import Simulator

    simulator = Simulator(BY_NAME["drawer-open"], 32, 32, wide=wide)
    first, other, again = (simulator.run(seed, cameras.all_round) for seed in (1, 2, 1))
    simulator.close()
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.signals().hand, again.signals().hand)
    assert len(first.frames) != len(other.frames) or not np.array_equal(first.frames, other.frames)
