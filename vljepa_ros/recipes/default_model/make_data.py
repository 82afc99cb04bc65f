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
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vljepa_ros.recipes.default_model.episode_file import FRAME_PIXELS, write_episode
from vljepa_ros.recipes.default_model.episodes import METAWORLD, ROBOSUITE
from vljepa_ros.recipes.default_model.simulation.robosuite_tasks import ARM_SCENES, ROBOSUITE_TASKS
from vljepa_ros.recipes.default_model.simulation.robot_recorder import RobotRecorder
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import FIRST_TASKS, TASKS
from vljepa_ros.recipes.default_model.simulation.splits import SPLITS, episode_seed

_ROBOSUITE_SEEDS = 1000  # the task number of robosuite's first task in a seed

PER_TASK = {
    "train": 100, "train_mild": 100, "val": 10, "test": 10, "side": 4, "val_paced": 10,
    "test_paced": 10, "val_wide": 4, "test_wide": 4, "far_side": 4,
}  # fmt: skip
"""Episodes that each split gets of each task, unless the command line says otherwise."""


@dataclass(frozen=True)
class Job:
    """One episode that is still to be rendered."""

    split: str
    family: str
    task: int
    index: int
    path: Path

    @property
    def scene(self) -> tuple[str, int, bool]:
        """What a recorder is made for."""
        return self.family, self.task, SPLITS[self.split].wide


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    for split, count in PER_TASK.items():
        flag = f"--{split.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=count, help=f"{split} episodes per task")
    parser.add_argument("--family", choices=[METAWORLD, ROBOSUITE], default=METAWORLD)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    counts = {split: getattr(args, split) for split in PER_TASK}
    jobs = missing(args.out, args.family, counts)
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.processes) as pool:
        for _ in tqdm(
            pool.imap_unordered(_render, jobs, chunksize=10), total=len(jobs), unit="episode"
        ):
            pass


def missing(out: Path, family: str, counts: dict[str, int]) -> list[Job]:
    """Return what is still to be rendered, in the order of the work.

    Args:
        out: folder of the episodes.
        family: whose episodes.
        counts: episodes of each task by split.
    """
    jobs = []
    for split, count in counts.items():
        (out / split).mkdir(parents=True, exist_ok=True)
        for i, (t, name) in itertools.product(range(count), enumerate(_names(family, split))):
            path = out / split / f"{name}_{i:04d}.npz"
            if not path.exists():
                jobs.append(Job(split, family, t, i, path))
    # a few episodes of every task at a time: a stopped run leaves a usable, balanced set
    return sorted(jobs, key=lambda job: (job.split.startswith("train"), job.index // 10, job.task))


def _names(family: str, split: str) -> list[str]:
    """Return the names of the tasks that a split shows."""
    wide = SPLITS[split].wide
    if family == METAWORLD:
        return [task.env for task in (TASKS if wide else FIRST_TASKS)]
    return list(ROBOSUITE_TASKS) if wide else []


_recorder: tuple[tuple[str, int, bool], RobotRecorder] | None = None


def _render(job: Job) -> None:
    split = SPLITS[job.split]
    number = job.task + (_ROBOSUITE_SEEDS if job.family == ROBOSUITE else 0)
    seed = episode_seed(job.split, number, job.index)
    episode = _recorder_of(job).run(seed, split.camera, split.dwell_s(seed))
    write_episode(job.path, episode.frames, {"seed": seed, **vars(episode.signals())})


def _recorder_of(job: Job) -> RobotRecorder:
    """Return this process's recorder; a new one if the last one was made for another scene."""
    global _recorder
    if _recorder is None or _recorder[0] != job.scene:
        if _recorder is not None:
            _recorder[1].close()
        _recorder = job.scene, _new_recorder(*job.scene)
    return _recorder[1]


def _new_recorder(family: str, number: int, wide: bool) -> RobotRecorder:
    size = (FRAME_PIXELS, FRAME_PIXELS)
    # only what is rendered need be installed
    if family == METAWORLD:
        from vljepa_ros.recipes.default_model.simulation.episode import Simulator

        return Simulator(TASKS[number], *size, wide=wide)
    from vljepa_ros.recipes.default_model.simulation.robosuite_robot import RobosuiteRobot

    return RobosuiteRobot(*ARM_SCENES[number], *size)


if __name__ == "__main__":
    main()
