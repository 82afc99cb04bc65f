# SPDX-License-Identifier: Apache-2.0
"""Which frames a training step sees as streams: what a robot's cameras send, faults and all.

Frames come at the rate of the memory or off it, some are lost, stamps jitter, and at the end of an
episode another one follows: after a restart, which empties the memory, or without notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recipes.default_model.frame_set import FrameSet
from vljepa_ros.runtime.remembered_streams import DUE

OFF_GRID = 0.5  # share of streams whose frames come at uneven times
STEPS = (1, 2, 3)  # frames from one to the next off the grid
STEP_SHARES = (0.5, 0.35, 0.15)
GAP = 0.02  # share of frames after which some are lost
LOST = (4, 20)  # frames from the last one before a gap to the first one after it
RESTART = 0.5  # share of the changes to another episode that empty the memory
JITTER = 0.1  # greatest error of a stamp, in periods of the memory
MIRRORED = 0.3  # share of streams that are mirrored, if they do not tell left from right


class DrawnStreams(NamedTuple):
    """Streams of frames of a set.

    Attributes:
        rows: of the frames in the set, int64 (B, T).
        times: of the frames, in periods of the memory, float64 (B, T).
        kept: True on those that stay in the memory (B, T).
        mirrored: True on streams that are seen in a mirror (B).
    """

    rows: NDArray[np.int64]
    times: NDArray[np.float64]
    kept: NDArray[np.bool_]
    mirrored: NDArray[np.bool_]


class StreamDraw:
    """Draws streams from the families of a set, each by its share."""

    def __init__(
        self, frames: FrameSet, shares: Mapping[str, float], memory: int, rate_hz: float
    ) -> None:
        """Take the frames, the families' shares, and the memory's frames and their rate."""
        weights = np.array([shares[name] for name in frames.families])
        self._frames, self._shares = frames, weights / weights.sum()
        self._families = list(frames.families.values())
        self._memory, self._period = memory, FRAME_RATE_HZ / rate_hz

    def draw(self, rng: np.random.Generator, streams: int, length: int) -> DrawnStreams:
        """Return streams of equal length."""
        found = [self._one(rng, length) for _ in range(streams)]
        rows, times = (np.stack(each) for each in zip(*found, strict=True))
        kept = np.stack([stay_in_memory(stream) for stream in times])
        mirrored = (rng.random(streams) < MIRRORED) & ~self._frames.sided[rows].any(1)
        return DrawnStreams(rows, times, kept, mirrored)

    def _one(
        self, rng: np.random.Generator, length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows and times of one stream, which begins anywhere in an episode."""
        off_grid = rng.random() < OFF_GRID
        row, now = self._anywhere(rng), 0.0
        end, rows, times = self._frames.ends[row], [], []
        for _ in range(length):
            rows.append(row)
            times.append(now)
            step = self._step(rng, off_grid)
            row, now = row + step, now + step / self._period
            if row >= end:
                row = self._anywhere(rng)
                end = self._frames.ends[row]
                now += self._memory * (rng.random() < RESTART)
        return np.array(rows), np.array(times) + rng.uniform(-JITTER, JITTER, length)

    def _step(self, rng: np.random.Generator, off_grid: bool) -> int:
        if rng.random() < GAP:
            return int(rng.integers(*LOST))
        if off_grid:
            return int(rng.choice(STEPS, p=STEP_SHARES))
        return round(self._period)

    def _anywhere(self, rng: np.random.Generator) -> int:
        family = self._families[rng.choice(len(self._families), p=self._shares)]
        return int(rng.choice(family))


def stay_in_memory(times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frames at times (T), in periods, a robot's memory keeps."""
    kept = np.zeros(len(times), bool)
    newest = -np.inf
    for number, time in enumerate(times):
        if time - newest >= DUE:
            kept[number], newest = True, time
    return kept
