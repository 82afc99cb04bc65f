# SPDX-License-Identifier: Apache-2.0
"""Render the simulated episodes: ``python -m vljepa_ros.recipes.default_model.make_data``.

One file an episode, written whole or not at all, so that the command can be stopped and started
again. A file holds JPEG frames and the simulator's signals; labels are computed when it is read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vljepa_ros.recipes.default_model.simulation.episode import SPLITS, Simulator, episode_seed
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import TASKS

FRAME_PIXELS = 160
DWELL_S = 3.0  # mean of each wait in the paced splits: about 0.4 changes of the action per second
JPEG_QUALITY = 92
Job = tuple[str, int, int, Path]


def main() -> None:
    """Parse the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the episodes")
    parser.add_argument("--train", type=int, default=100, help="training episodes per task")
    parser.add_argument("--val", type=int, default=10, help="validation episodes per task")
    parser.add_argument("--test", type=int, default=10, help="test episodes per task")
    parser.add_argument("--side", type=int, default=4, help="test episodes from unseen cameras")
    parser.add_argument("--val-paced", type=int, default=10, help="validation with dwells")
    parser.add_argument("--test-paced", type=int, default=10, help="test episodes with dwells")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    counts = {split: getattr(args, split) for split in SPLITS if split != "demo"}
    jobs = [
        (split, t, i, path)
        for split, count in counts.items()
        for i in range(count)
        for t, task in enumerate(TASKS)
        if not (path := args.out / split / f"{task.env}_{i:04d}.npz").exists()
    ]
    for split in counts:
        (args.out / split).mkdir(parents=True, exist_ok=True)
    # a few episodes of every task at a time: a stopped run leaves a usable, balanced set
    jobs.sort(key=lambda job: (SPLITS[job[0]] == 0, job[2] // 10, job[1]))
    context = multiprocessing.get_context("spawn")
    with context.Pool(args.processes) as pool:
        for _ in tqdm(
            pool.imap_unordered(_render, jobs, chunksize=10), total=len(jobs), unit="episode"
        ):
            pass


_simulator: Simulator | None = None


def _render(job: Job) -> None:
    global _simulator
    split, task_index, index, path = job
    if _simulator is None or _simulator.task is not TASKS[task_index]:
        if _simulator is not None:
            _simulator.close()
        _simulator = Simulator(TASKS[task_index], FRAME_PIXELS, FRAME_PIXELS)
    seed = episode_seed(split, task_index, index)
    dwell_s = DWELL_S if split.endswith("_paced") else 0.0
    episode = _simulator.run(seed, unseen_camera=split == "side", dwell_s=dwell_s)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpegs = [cv2.imencode(".jpg", f[..., ::-1], quality)[1].ravel() for f in episode.frames]
    ends = np.cumsum([len(jpeg) for jpeg in jpegs])
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        signals = vars(episode.signals())
        np.savez(file, jpeg=np.concatenate(jpegs), ends=ends, seed=seed, **signals)
    part.replace(path)


if __name__ == "__main__":
    main()
