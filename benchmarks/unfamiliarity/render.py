# SPDX-License-Identifier: Apache-2.0
"""Render Meta-World's tasks that the shipped model was never made for.

``python -m benchmarks.unfamiliarity.render --out data``

Cameras, light and noise are the recipe's. Nothing here has labels. One file an episode, written
whole or not at all, as ``make_data`` writes them, without the signals.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "osmesa")  # before MuJoCo is imported: draw without a display

from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from tqdm import tqdm

from benchmarks.unfamiliarity.footage import OTHER_TASKS
from vljepa_ros.recipes.default_model.episode_file import FRAME_PIXELS, write_episode
from vljepa_ros.recipes.default_model.simulation.episode import Simulator
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import (
    FIRST_TASKS,
    SimulatedTask,
)

_SEED = 71_000  # of the first episode of each task


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--per-task", type=int, default=2, help="episodes of each task")
    args = parser.parse_args()
    folder = args.out / OTHER_TASKS
    folder.mkdir(parents=True, exist_ok=True)
    for env in tqdm(unseen_environments(), OTHER_TASKS):
        _render(folder, env, args.per_task)


def unseen_environments() -> list[str]:
    """Return the names of Meta-World's tasks that the shipped model has not seen, no version."""
    names = {name.removesuffix("-v3") for name in ALL_V3_ENVIRONMENTS}
    return sorted(names - {task.env for task in FIRST_TASKS})


def _render(folder: Path, env: str, count: int) -> None:
    files = {index: folder / f"{env}_{index:04d}.npz" for index in range(count)}
    missing = {index: file for index, file in files.items() if not file.exists()}
    if not missing:
        return
    # Labels are not wanted, so any body will do for what the hand works on.
    task = SimulatedTask(env, goal="", target="", tool="hand")
    simulator = Simulator(task, FRAME_PIXELS, FRAME_PIXELS)
    for index, file in missing.items():
        write_episode(file, simulator.run(_SEED + index).frames, {})
    simulator.close()


if __name__ == "__main__":
    main()
