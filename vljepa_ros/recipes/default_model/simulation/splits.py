# SPDX-License-Identifier: Apache-2.0
"""The splits of the simulated episodes: what each shows, and the seeds of its episodes.

``val``, ``test``, ``side``, ``val_paced`` and ``test_paced`` are the measures of the first model.
Their episodes never change. They hold the first twenty tasks in mild looks; ``side`` cameras were
unseen by the first model, and lie within :func:`all_round`, which the present one is trained with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vljepa_ros.recipes.default_model.simulation.cameras import (
    CameraDraw,
    all_round,
    near_front,
    near_side,
    over_shoulder,
)

DWELL_S = 3.0
"""Mean of each wait of a slow episode: about 0.4 changes of the action per second."""


@dataclass(frozen=True)
class EpisodeSplit:
    """What the episodes of a split have in common.

    Attributes:
        number: the first word of every seed.
        camera: draws an episode's camera.
        wide: rooms, robots' colours and sensors of every kind, and all tasks; else the mild
            looks and twenty tasks of the first model.
        slow: share of the episodes in which the arm waits between the parts of its work.
    """

    number: int
    camera: CameraDraw
    wide: bool = False
    slow: float = 0.0

    def dwell_s(self, seed: int) -> float:
        """Return the mean wait of the episode of a seed in seconds of video; 0 is none."""
        return DWELL_S if np.random.default_rng([seed, 1]).random() < self.slow else 0.0


SPLITS = {
    "train": EpisodeSplit(0, all_round, wide=True, slow=0.15),
    "val": EpisodeSplit(1, near_side),
    "test": EpisodeSplit(2, near_side),
    "side": EpisodeSplit(3, near_front),
    "demo": EpisodeSplit(4, near_side),
    "val_paced": EpisodeSplit(5, near_side, slow=1.0),
    "test_paced": EpisodeSplit(6, near_side, slow=1.0),
    "val_wide": EpisodeSplit(7, all_round, wide=True, slow=0.15),
    "test_wide": EpisodeSplit(8, all_round, wide=True, slow=0.15),
    "far_side": EpisodeSplit(9, over_shoulder),
    "train_mild": EpisodeSplit(10, near_side, slow=0.15),
}


def episode_seed(split: str, task_index: int, index: int) -> int:
    """Return a seed that no other split, task or episode has."""
    words = [SPLITS[split].number, task_index, index]
    return int(np.random.SeedSequence(words).generate_state(1)[0])
