# SPDX-License-Identifier: Apache-2.0
"""Render the simulated episodes: ``python -m vljepa_ros.recipes.default_model.make_data``.

One file an episode, written whole or not at all, so that the command can be stopped and started
again. A file holds JPEG frames and the simulator's signals; labels are computed when it is read.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
from pathlib import Path

from tqdm import tqdm

from vljepa_ros.recipes.default_model.episode_file import FRAME_PIXELS, write_episode
from vljepa_ros.recipes.default_model.simulation.episode import Simulator
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import FIRST_TASKS, TASKS
from vljepa_ros.recipes.default_model.simulation.splits import SPLITS, episode_seed

Job = tuple[str, int, int, Path]


PER_TASK = {
    "train": 100, "val": 10, "test": 10, "side": 4, "val_paced": 10, "test_paced": 10,
    "val_wide": 4, "test_wide": 4, "far_side": 4,
}  # fmt: skip
"""Episodes that each split gets of each task, unless the command line says otherwise."""


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    for split, count in PER_TASK.items():
        flag = f"--{split.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=count, help=f"{split} episodes per task")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    jobs = _missing(args.out, {split: getattr(args, split) for split in PER_TASK})
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.processes) as pool:
        for _ in tqdm(
            pool.imap_unordered(_render, jobs, chunksize=10), total=len(jobs), unit="episode"
        ):
            pass


def _missing(out: Path, counts: dict[str, int]) -> list[Job]:
    """Return what is still to be rendered, in the order of the work."""
    jobs = []
    for split, count in counts.items():
        (out / split).mkdir(parents=True, exist_ok=True)
        tasks = TASKS if SPLITS[split].wide else FIRST_TASKS
        for i, (t, task) in itertools.product(range(count), enumerate(tasks)):
            path = out / split / f"{task.env}_{i:04d}.npz"
            if not path.exists():
                jobs.append((split, t, i, path))
    # a few episodes of every task at a time: a stopped run leaves a usable, balanced set
    return sorted(jobs, key=lambda job: (job[0] == "train", job[2] // 10, job[1]))


_simulator: Simulator | None = None


def _render(job: Job) -> None:
    split, task_index, index, path = job
    kind = SPLITS[split]
    simulator = _simulator_of(task_index, wide=kind.wide)
    seed = episode_seed(split, task_index, index)
    episode = simulator.run(seed, kind.camera, kind.dwell_s(seed))
    write_episode(path, episode.frames, {"seed": seed, **vars(episode.signals())})


def _simulator_of(task_index: int, *, wide: bool) -> Simulator:
    """Return this process's simulator, made anew if the one before showed something else."""
    global _simulator
    task = TASKS[task_index]
    if _simulator is None or (_simulator.task, _simulator.wide) != (task, wide):
        if _simulator is not None:
            _simulator.close()
        _simulator = Simulator(task, FRAME_PIXELS, FRAME_PIXELS, wide=wide)
    return _simulator


if __name__ == "__main__":
    main()
