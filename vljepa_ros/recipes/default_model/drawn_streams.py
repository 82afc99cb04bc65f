# SPDX-License-Identifier: Apache-2.0
"""Which frames a training step sees as streams: what a robot's cameras send, faults and all.

A stream ends with a frame that is drawn from all frames, so each is a target as often as any
other. Tubelets are cut by time, so their frames lie a period apart. From one tubelet to the next
it may be more or less: no camera has the rate of the memory, frames are lost, and stamps jitter.
Before the first frame of an episode the stream has not begun, or shows another episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recipes.default_model.frame_set import FrameSet

BETWEEN = 0.5  # share of streams whose newest frame comes before it is due
UNEVEN = 0.3  # share of streams with tubelets a frame nearer or farther than they should be
LOST_SHARE = 0.04  # share of tubelets before which frames are lost
LOST = (2, 20)  # how many
CHANGED = 0.2  # share of streams that have another episode before theirs
JITTER = 0.1  # greatest error of a stamp, in periods of the memory
MIRRORED = 0.3  # share of streams that are mirrored, if they do not tell left from right


class DrawnStreams(NamedTuple):
    """Streams of tubelets of a set.

    Attributes:
        rows: of the frames in the set, int64 (B, N, tubelet).
        times: of the tubelets' last frames, in periods of the memory, float64 (B, N). Before a
            stream begins they are so far away that none is seen.
        mirrored: True on streams that are seen in a mirror (B).
    """

    rows: NDArray[np.int64]
    times: NDArray[np.float64]
    mirrored: NDArray[np.bool_]


class StreamDraw:
    """Draws streams from the families of a set, each by its share."""

    def __init__(
        self,
        frames: FrameSet,
        shares: Mapping[str, float],
        *,
        tubelet: int,
        memory: int,
        rate_hz: float,
    ) -> None:
        """Take the frames, the families' shares, and the memory's frames and their rate."""
        weights = np.array([shares[name] for name in frames.families])
        self._frames, self._shares = frames, weights / weights.sum()
        self._families = list(frames.families.values())
        self._tubelet, self._memory = tubelet, memory
        self._period = round(FRAME_RATE_HZ / rate_hz)

    def draw(self, rng: np.random.Generator, streams: int, tubelets: int) -> DrawnStreams:
        """Return streams of equal length."""
        found = [self._one(rng, tubelets) for _ in range(streams)]
        rows, times = (np.stack(each) for each in zip(*found, strict=True))
        mirrored = (rng.random(streams) < MIRRORED) & ~self._frames.sided[rows].any((1, 2))
        return DrawnStreams(rows, times, mirrored)

    def _one(
        self, rng: np.random.Generator, tubelets: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows (N, tubelet) and times (N) of one stream."""
        last = self._anywhere(rng)
        begin = self._frames.begins[last]
        ago = np.cumsum([0, *self._spans(rng, tubelets - 1)])[::-1]  # rows before the newest one
        within = self._period * np.arange(self._tubelet)[::-1]
        rows = last - ago[:, None] - within
        times = -ago / self._period + rng.uniform(-JITTER, JITTER, tubelets)
        if rng.random() < CHANGED:
            other = self._anywhere(rng)
            before = rows - begin + self._frames.ends[other]
            rows = np.where(rows < begin, before.clip(self._frames.begins[other]), rows)
        else:
            times[last - ago < begin] -= 2 * self._memory
            rows = rows.clip(begin)
        return rows, times

    def _spans(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Return how many rows lie from the end of each tubelet to that of the next older one."""
        spans = np.full(count, self._period * self._tubelet)
        if rng.random() < UNEVEN:
            spans += rng.integers(-1, 2, count)
        spans += (rng.random(count) < LOST_SHARE) * rng.integers(*LOST, count)
        if rng.random() < BETWEEN:  # a camera that is faster than the memory
            spans[:1] -= rng.integers(1, self._period)
        return spans

    def _anywhere(self, rng: np.random.Generator) -> int:
        family = self._families[rng.choice(len(self._families), p=self._shares)]
        return int(rng.choice(family))
