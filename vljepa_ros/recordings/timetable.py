# SPDX-License-Identifier: Apache-2.0
"""When each image of a replay is due."""

from __future__ import annotations

import time
from collections.abc import Callable

_FIRST_STEP_NS = 100_000_000


class Timetable:
    """Turns the stamps of a recording, which never go back, into offsets from its first image.

    A recording that is played again goes on one image's distance after its end.
    """

    def __init__(self) -> None:
        """Begin before the first image."""
        self._first_stamp_ns: int | None = None  # of this round
        self._round_ns = 0  # offset of this round's first image
        self._offset_ns = 0
        self._step_ns = _FIRST_STEP_NS

    def offset_ns(self, stamp_ns: int) -> int:
        """Return the time from the first image of all to the next one, which is at a stamp."""
        if self._first_stamp_ns is None:
            self._first_stamp_ns = stamp_ns
        offset_ns = self._round_ns + stamp_ns - self._first_stamp_ns
        self._step_ns = offset_ns - self._offset_ns or self._step_ns
        self._offset_ns = offset_ns
        return offset_ns

    def begin_again(self) -> None:
        """Begin a further round: the next image is the first of the recording."""
        self._first_stamp_ns = None
        self._round_ns = self._offset_ns + self._step_ns


class Pace:
    """When images are due on the steady clock, and the stamps that they carry."""

    def __init__(self, first_stamp_ns: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin now.

        Args:
            first_stamp_ns: stamp of the image at offset 0.
            now: returns seconds of a steady clock.
        """
        self._now = now
        self._due = now()
        self._offset_ns = 0
        self._first_stamp_ns = first_stamp_ns

    def wait_s(self, offset_ns: int, rate: float) -> float:
        """Return the seconds until the image at an offset is due; below 0 it is late."""
        self._due += (offset_ns - self._offset_ns) / 1e9 / rate
        self._offset_ns = offset_ns
        return self._due - self._now()

    def stamp_ns(self, offset_ns: int) -> int:
        """Return the stamp of the image at an offset."""
        return self._first_stamp_ns + offset_ns

    def forgive(self, late_s: float) -> None:
        """Go on from now instead of hurrying after what was missed; stamps move along."""
        self._due += late_s
        self._first_stamp_ns += round(late_s * 1e9)
