# SPDX-License-Identifier: Apache-2.0
"""Cuts clips out of a stream by time stamp, not by number of frames.

A model is trained on frames at one rate. A clip of the last N frames would play too fast if the
camera is slow, and too slowly if it is fast. Here each place of the clip has a time, and gets the
stored frame nearest to that time: a slower camera repeats frames, a faster one skips some, and the
neighbours of a dropped frame take its place.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

_NS = 1_000_000_000
_STORED_PER_PLACE = 64


@dataclass(frozen=True)
class Clip:
    """Frames of one clip, oldest first, and the stamps of its oldest and newest one."""

    start_ns: int
    end_ns: int
    frames: tuple[NDArray[Any], ...]


class ClipWindow:
    """The newest frames of a stream, just enough for one clip. For one thread."""

    def __init__(self, frames: int, rate_hz: float) -> None:
        """Start empty, for clips of ``frames`` places at ``rate_hz``.

        Raises:
            ValueError: fewer than one frame, or a rate that is not a finite number above 0.
        """
        if frames < 1 or not math.isfinite(rate_hz) or rate_hz <= 0:
            raise ValueError(f"a clip of {frames} frames at {rate_hz} Hz is not possible")
        self._offsets_ns = [round(place * _NS / rate_hz) for place in reversed(range(frames))]
        self._enough_ns = self._offsets_ns[0] - _NS / (2 * rate_hz)
        self._apart_ns = _NS / (_STORED_PER_PLACE * rate_hz)
        self._stamps: list[int] = []
        self._items: list[NDArray[Any]] = []

    def __len__(self) -> int:
        return len(self._stamps)

    def push(self, stamp_ns: int, item: NDArray[Any]) -> None:
        """Add the newest frame, or what was computed from it.

        A stamp that is not newer than the last one starts a new stream: a clip never mixes two
        time lines.
        """
        if self._stamps and stamp_ns <= self._stamps[-1]:
            self.clear()
        self._thin()
        self._stamps.append(stamp_ns)
        self._items.append(item)
        self._forget(stamp_ns - self._offsets_ns[0])

    def clip(self) -> Clip | None:
        """Return the clip that ends with the newest frame, or None while the window is too short.

        Half a period may be missing at the old end, so that jitter does not delay the first clip.
        """
        if not self._stamps or self._stamps[-1] - self._stamps[0] < self._enough_ns:
            return None
        return self._cut(self._offsets_ns)

    def so_far(self) -> Clip:
        """Return the clip that ends with the newest frame, shorter while the stream is young.

        This is what a memory holds. At least one frame must be there.
        """
        age = self._stamps[-1] - self._stamps[0]
        half = self._offsets_ns[0] - self._enough_ns
        return self._cut([offset for offset in self._offsets_ns if offset <= age + half])

    def extended(self) -> Clip:
        """Return the clip that ends with the newest frame; before the first it stands still.

        At least one frame must be there.
        """
        return self._cut(self._offsets_ns)

    def _cut(self, offsets_ns: Sequence[int]) -> Clip:
        newest = self._stamps[-1]
        places = [self._nearest(newest - offset) for offset in offsets_ns]
        return Clip(
            start_ns=self._stamps[places[0]],
            end_ns=newest,
            frames=tuple(self._items[place] for place in places),
        )

    def clear(self) -> None:
        """Forget every frame."""
        self._stamps.clear()
        self._items.clear()

    def _nearest(self, target_ns: int) -> int:
        """Return the index of the frame nearest in time; the older one of two equally near."""
        after = bisect_left(self._stamps, target_ns)
        if after == 0:
            return 0
        if after == len(self._stamps):
            return after - 1
        nearer_after = self._stamps[after] - target_ns < target_ns - self._stamps[after - 1]
        return after if nearer_after else after - 1

    def _thin(self) -> None:
        """Bound the memory: of frames closer than 1/64 of a place, only the older one stays."""
        if len(self._stamps) > 1 and self._stamps[-1] - self._stamps[-2] < self._apart_ns:
            self._stamps.pop()
            self._items.pop()

    def _forget(self, oldest_target_ns: int) -> None:
        """Drop what no clip can use any more; one frame before the oldest place stays."""
        keep_from = bisect_left(self._stamps, oldest_target_ns + 1) - 1
        if keep_from > 0:
            del self._stamps[:keep_from]
            del self._items[:keep_from]
