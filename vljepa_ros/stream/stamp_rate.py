# SPDX-License-Identifier: Apache-2.0
"""Rates of a stream on the time line of its own stamps.

A recording may be played at half speed, and a busy computer receives in bursts. Stamps tell how
often the camera looked and how much of that arrived, whatever the clock on the wall says.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise

_NS = 1e9
_WINDOW_NS = 10_000_000_000
_MAX_STAMPS = 2048
_BACK_NS = 1_000_000_000
_FEWEST = 3  # stamps, also of a stream that is slower than the window
_QUARTILE = 4  # lost frames make intervals longer; a quarter of them are taken to be whole


class StampRate:
    """The latest stamps of a stream: about ten seconds of them. One thread adds, any may read."""

    def __init__(self) -> None:
        """Start without a stamp."""
        self._stamps: deque[int] = deque(maxlen=_MAX_STAMPS)

    def add(self, stamp_ns: int) -> None:
        """Take the next stamp; one that goes back by more than a second starts anew."""
        stamps = self._stamps
        if stamps and stamp_ns <= stamps[-1]:
            if stamps[-1] - stamp_ns <= _BACK_NS:
                return
            self.clear()
        stamps.append(stamp_ns)
        while len(stamps) > _FEWEST and stamp_ns - stamps[0] > _WINDOW_NS:
            stamps.popleft()

    def clear(self) -> None:
        """Forget all stamps."""
        self._stamps.clear()

    @property
    def span_s(self) -> float:
        """Seconds from the first to the last stamp that is kept."""
        stamps = tuple(self._stamps)
        return (stamps[-1] - stamps[0]) / _NS if stamps else 0.0

    @property
    def arrived_hz(self) -> float:
        """Stamps per second; 0 before the second one."""
        stamps = tuple(self._stamps)
        return (len(stamps) - 1) * _NS / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0

    @property
    def sent_hz(self) -> float:
        """The rate at which the stamps were made, also if some are missing; 0 if not known."""
        intervals = sorted(b - a for a, b in pairwise(tuple(self._stamps)))
        return _NS / intervals[len(intervals) // _QUARTILE] if intervals else 0.0
