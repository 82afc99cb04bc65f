# SPDX-License-Identifier: Apache-2.0
"""When each image of a replay is due."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_STEP_NS = 100_000_000


class Timetable:
    """Turn a source's own stamps into offsets from its first image that never go back.

    A source whose time steps back (a looped bag, a clock that was set) goes on after the image
    before, one image's distance later; `steps_back` counts that.
    """

    def __init__(self) -> None:
        """Begin before the first image."""
        self._last_stamp_ns: int | None = None
        self._offset_ns = 0
        self._step_ns = _FIRST_STEP_NS
        self.steps_back = 0

    def offset_ns(self, stamp_ns: int) -> int:
        """Return the time from the first image to the one at `stamp_ns`, in source time."""
        if self._last_stamp_ns is not None:
            step = stamp_ns - self._last_stamp_ns
            if step < 0:
                self.steps_back += 1
                step = self._step_ns
            self._offset_ns += step
            self._step_ns = step or self._step_ns
        self._last_stamp_ns = stamp_ns
        return self._offset_ns

    def begin_again(self, stamp_ns: int) -> int:
        """Return the offset of the first image of a further round, which is at `stamp_ns`."""
        self._last_stamp_ns = stamp_ns
        self._offset_ns += self._step_ns
        return self._offset_ns


class Pace:
    """When images are due on the steady clock, and the stamps that they carry."""

    def __init__(self, first_stamp_ns: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin now with an image of offset 0 and this stamp; `now` returns seconds."""
        self._now = now
        self._due = now()
        self._offset_ns = 0
        self._first_stamp_ns = first_stamp_ns

    def wait_s(self, offset_ns: int, rate: float) -> float:
        """Return how long the image at `offset_ns` is still to wait; below 0 it is late."""
        self._due += (offset_ns - self._offset_ns) / 1e9 / rate
        self._offset_ns = offset_ns
        return self._due - self._now()

    def stamp_ns(self, offset_ns: int) -> int:
        """Return the stamp of the image at `offset_ns`."""
        return self._first_stamp_ns + offset_ns

    def forgive(self, late_s: float) -> None:
        """Go on from now instead of hurrying after what was missed; stamps move along."""
        self._due += late_s
        self._first_stamp_ns += round(late_s * 1e9)
