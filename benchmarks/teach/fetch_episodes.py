# SPDX-License-Identifier: Apache-2.0
"""Episodes of a robot that the shipped model has never seen, with exact labels.

``python -m benchmarks.teach.fetch_episodes --out DIR --episodes N`` renders a Fetch arm of
gymnasium-robotics (MIT) that moves a block about, seen by one camera that stands still but for
the centimetres by which a camera is moved between two days. One file an episode, written whole or
not at all: a command that was stopped continues. Needs ``pip install gymnasium-robotics``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")

import cv2
import gymnasium
import gymnasium_robotics
import mujoco
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.teach.fetch_labels import FetchSignals, label_frames
from benchmarks.teach.fetch_script import OPEN, TABLE_Z, FetchScript
from vljepa_ros.recipes.default_model.episode_file import read_frames, write_episode

PIXELS = 160
STEPS_PER_FRAME = 5  # of 0.04 s: five frames a second
_STEP_S = 0.04
_SETTLING_STEPS = 15
_HOLDS_M = 0.03  # fingers that are nearer than that have no block between them


@dataclass(frozen=True)
class FetchEpisode:
    """One episode.

    Attributes:
        stamps_s: seconds since the first frame (n,).
        frames: RGB (n, 160, 160, 3) uint8.
        labels: number in :data:`.fetch_labels.TEXTS` by query (n,).
    """

    stamps_s: NDArray[np.float64]
    frames: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int32]]


class FetchSimulator:
    """The robot, its block and a camera; reused for many episodes."""

    def __init__(self) -> None:
        gymnasium.register_envs(gymnasium_robotics)
        self._env = gymnasium.make("FetchPickAndPlace-v4", max_episode_steps=100_000).unwrapped
        self._model, self._data = self._env.model, self._env.data
        self._model.vis.quality.offsamples = 0
        self._model.site_rgba[:, 3] = 0  # the goal, which would tell where the block goes
        marks = self._model.geom_bodyid == self._model.body("robot0:mocap").id
        self._model.geom_rgba[marks, 3] = 0  # lines that would tell where the gripper goes
        self._colours = self._model.geom_rgba.copy(), self._model.mat_rgba.copy()
        self._renderer = mujoco.Renderer(self._model, 2 * PIXELS, 2 * PIXELS)
        self._fingers = {
            self._model.geom(f"robot0:{side}_gripper_finger_link").id for side in "rl"
        }
        self._block = self._model.geom("object0").id

    def play(self, seed: int) -> tuple[NDArray[np.uint8], FetchSignals]:
        """Play one episode; the same seed gives the same episode.

        Returns:
            Frames (n, 160, 160, 3), RGB, and what the simulator knew.
        """
        rng = np.random.default_rng(seed)
        self._env.reset(seed=seed)
        self._settle(rng)
        camera = self._camera(rng)
        self._look(rng)
        frames, rows = [], []
        for _ in self._steps(FetchScript(rng, self._hand_position, self._block_position)):
            frames.append(self._render(camera))
            rows.append(self._measure())
        columns = zip(*rows, strict=True)
        stamps = np.arange(len(frames)) * STEPS_PER_FRAME * _STEP_S
        return np.stack(frames), FetchSignals(stamps, *(np.array(c) for c in columns))

    def _steps(self, script: FetchScript) -> Iterator[None]:
        """Act, and yield once per frame."""
        for number, action in enumerate(script.actions()):
            if number % STEPS_PER_FRAME == 0:
                yield
            self._env.step(np.clip(action, -1, 1))

    def _measure(self) -> tuple[object, ...]:
        """Return the values of :class:`FetchSignals` after the stamp."""
        touching = {
            ours
            for pair in self._data.contact.geom
            for ours, other in (pair, pair[::-1])
            if other == self._block
        }
        joints = (self._data.joint(f"robot0:{side}_gripper_finger_joint") for side in "lr")
        opening = sum(float(joint.qpos[0]) for joint in joints)
        return (
            self._hand_position(),
            self._block_position(),
            opening,
            self._fingers <= touching and opening > _HOLDS_M,
        )

    def _hand_position(self) -> NDArray[np.float64]:
        return self._data.site("robot0:grip").xpos.copy()

    def _block_position(self) -> NDArray[np.float64]:
        return self._data.site("object0").xpos.copy()

    def _settle(self, rng: np.random.Generator) -> None:
        """Lay the block somewhere and open the gripper."""
        place = rng.uniform([1.2, 0.6], [1.42, 0.9])
        self._data.joint("object0:joint").qpos[:3] = [*place, TABLE_Z]
        for _ in range(_SETTLING_STEPS):
            self._env.step(np.array([0.0, 0.0, 0.0, OPEN]))

    def _camera(self, rng: np.random.Generator) -> mujoco.MjvCamera:
        camera = mujoco.MjvCamera()
        camera.lookat[:] = np.array([1.28, 0.75, 0.52]) + rng.normal(0, 0.01, 3)
        camera.distance = 1.0 + rng.normal(0, 0.015)
        camera.azimuth, camera.elevation = 140 + rng.normal(0, 1.5), -24 + rng.normal(0, 1)
        return camera

    def _look(self, rng: np.random.Generator) -> None:
        """Draw the light of the day; the block is red."""
        geoms, materials = self._colours
        self._model.geom_rgba[:], self._model.mat_rgba[:] = geoms, materials
        self._model.geom_matid[self._block] = -1
        self._model.geom_rgba[self._block] = [0.8, 0.2, 0.15, 1]
        table = self._model.body("table0").geomadr[0]
        self._model.geom_matid[table], self._model.geom_rgba[table] = -1, [0.6, 0.5, 0.4, 1]
        self._model.vis.headlight.ambient[:] = rng.uniform(0.25, 0.4)
        self._model.vis.headlight.diffuse[:] = rng.uniform(0.3, 0.5)

    def _render(self, camera: mujoco.MjvCamera) -> NDArray[np.uint8]:
        """Draw at twice the size and shrink: cheaper than multisampling."""
        self._renderer.update_scene(self._data, camera)
        for effect in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._renderer.scene.flags[effect] = 0
        large = self._renderer.render()
        return cv2.resize(large, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)


def load_fetch_episode(path: Path) -> FetchEpisode:
    """Read an episode that this command wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: a frame of the file is no JPEG.
    """
    with np.load(path) as data:
        signals = FetchSignals(**{name: data[name] for name in FetchSignals.__dataclass_fields__})
    return FetchEpisode(signals.stamps_s, read_frames(path), label_frames(signals))


def render_episodes(out: Path, count: int) -> list[Path]:
    """Render the episodes of a folder that are missing, and return all of them in order."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"fetch_{seed:04d}.npz" for seed in range(count)]
    missing = [seed for seed, path in enumerate(paths) if not path.exists()]
    simulator = FetchSimulator() if missing else None
    for seed in tqdm(missing, "episodes"):
        assert simulator is not None
        frames, signals = simulator.play(seed)
        write_episode(paths[seed], list(frames), vars(signals))
    return paths


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the episodes")
    parser.add_argument("--episodes", type=int, default=260)
    args = parser.parse_args()
    render_episodes(args.out, args.episodes)


if __name__ == "__main__":
    main()
