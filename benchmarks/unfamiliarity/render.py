# SPDX-License-Identifier: Apache-2.0
"""Render what the shipped model was never made for: other tasks, and another robot.

``python -m benchmarks.unfamiliarity.render --out data``

The tasks are those of Meta-World that the recipe leaves out, with the recipe's cameras, light and
noise. The robot is Gymnasium-Robotics' Fetch, which picks a block up. Nothing here has labels.
One file an episode, as ``make_data`` writes them but for the signals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.files import new_file
from vljepa_ros.recipes.default_model.make_data import FRAME_PIXELS, JPEG_QUALITY
from vljepa_ros.recipes.default_model.simulation.episode import Simulator
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import BY_NAME, SimulatedTask

OTHER_TASKS, OTHER_ROBOT = "other_tasks", "other_robot"
_SEED = 71_000  # of the first episode
_FETCH_STEPS = 120  # 4.8 s of simulated time, of which every second is a frame

Frames = list[NDArray[np.uint8]]


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--per-task", type=int, default=2, help="episodes of each other task")
    parser.add_argument("--robot", type=int, default=30, help="episodes of the other robot")
    args = parser.parse_args()
    for env in tqdm(unseen_environments(), OTHER_TASKS):
        _write_task(args.out / OTHER_TASKS, env, args.per_task)
    for index in tqdm(range(args.robot), OTHER_ROBOT):
        file = args.out / OTHER_ROBOT / f"fetch_{index:04d}.npz"
        _write(file, partial(_fetch_episode, _SEED + index))


def unseen_environments() -> list[str]:
    """Return the names of Meta-World's tasks that the recipe leaves out, without version."""
    names = (name.removesuffix("-v3") for name in ALL_V3_ENVIRONMENTS)
    return sorted(name for name in names if name not in BY_NAME)


def _write_task(folder: Path, env: str, count: int) -> None:
    files = [folder / f"{env}_{index:04d}.npz" for index in range(count)]
    if all(file.exists() for file in files):
        return
    # Labels are not wanted, so any body will do for what the hand works on.
    task = SimulatedTask(env, goal="", target="", tool="hand")
    simulator = Simulator(task, FRAME_PIXELS, FRAME_PIXELS)
    for index, file in enumerate(files):
        _write(file, lambda seed=_SEED + index: simulator.run(seed).frames)
    simulator.close()


def _write(file: Path, frames: Callable[[], Frames]) -> None:
    if file.exists():
        return
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpegs = [cv2.imencode(".jpg", f[..., ::-1], quality)[1].ravel() for f in frames()]
    file.parent.mkdir(parents=True, exist_ok=True)
    with new_file(file) as stream:
        ends = np.cumsum([len(jpeg) for jpeg in jpegs])
        np.savez(stream, jpeg=np.concatenate(jpegs), ends=ends)


def _fetch_episode(seed: int) -> Frames:
    """Let Fetch reach for a block, close its fingers and lift it."""
    import gymnasium
    import gymnasium_robotics

    gymnasium.register_envs(gymnasium_robotics)
    rng = np.random.default_rng(seed)
    view = {
        "azimuth": rng.uniform(90, 180),
        "elevation": rng.uniform(-40, -15),
        "distance": rng.uniform(1.6, 2.4),
        "lookat": np.array([1.3, 0.75, 0.55]),
    }
    env = gymnasium.make(
        "FetchPickAndPlace-v4",
        render_mode="rgb_array",
        width=FRAME_PIXELS,
        height=FRAME_PIXELS,
        max_episode_steps=_FETCH_STEPS + 1,
        default_camera_config=view,
    )
    observed, _ = env.reset(seed=seed)
    frames = []
    latest = {"seen": observed}
    for step, action in enumerate(islice(_pick(lambda: latest["seen"], rng), _FETCH_STEPS)):
        latest["seen"] = env.step(action)[0]
        if step % 2:
            frames.append(np.asarray(env.render()))
    env.close()
    return frames


def _pick(
    observed: Callable[[], dict[str, NDArray[np.float64]]], rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Yield actions for ever: wait, go above the block, down, grasp, and to the goal."""
    noise = rng.uniform(0, 0.2)

    def toward(place: NDArray[np.float64], grip: float) -> NDArray[np.float32]:
        step = 8 * (place - observed()["observation"][:3]) + rng.normal(0, noise, 3)
        return np.clip([*step, grip], -1, 1).astype(np.float32)

    for _ in range(int(rng.integers(5, 20))):
        yield np.zeros(4, np.float32)
    for _ in range(25):
        yield toward(observed()["achieved_goal"] + [0, 0, 0.1], 1.0)
    for _ in range(15):
        yield toward(observed()["achieved_goal"], 1.0)
    for _ in range(8):
        yield toward(observed()["achieved_goal"], -1.0)
    while True:
        yield toward(observed()["desired_goal"], -1.0)


if __name__ == "__main__":
    main()
