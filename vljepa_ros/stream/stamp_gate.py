# SPDX-License-Identifier: Apache-2.0
"""Decides from a stamp alone, before any pixel is decoded, whether a frame is due.

A camera's rate is seldom the rate of the model, and it changes with the light. The gate keeps a
grid of due times: each admitted frame moves the grid by exactly one period, so the average rate is
kept without drift, whatever the camera's rate and jitter. If a camera is slower than the grid,
every frame is admitted. A stall is not followed by a burst.

The first frame may itself be late. The grid therefore starts a little before it, so that a camera
with the very rate of the gate and a jitter of a quarter of a period loses no frame. The offset is
a fraction that keeps the due times away from the frames of cameras at 2 to 6 times the rate: there
the smallest jitter would make the admitted frames uneven by a whole interval of the camera.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from enum import Enum

_NS = 1_000_000_000
_FIRST_DUE = 7 / 16  # of a period after the frame that starts the grid
_LATE = 2  # periods behind its due time after which a frame starts the grid anew
_LATEST = 64  # frames among which a fault of the stamps is looked for
_FEWEST = 5  # frames that can show one


class Admission(Enum):
    """Whether a frame is used, and why."""

    ACCEPTED = "accepted"
    EARLY = "early"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    GAP = "gap"
    JUMP_BACK = "jump back"

    @property
    def accepted(self) -> bool:
        """Whether the frame is to be used."""
        return self in (Admission.ACCEPTED, Admission.GAP, Admission.JUMP_BACK)

    @property
    def resets(self) -> bool:
        """Whether what was stored before this frame no longer belongs to its clip."""
        return self in (Admission.GAP, Admission.JUMP_BACK)


class StampFault(Enum):
    """What is wrong with the stamps of a camera; the value says it to the user."""

    ALL_EQUAL = "all stamps are equal: the camera driver must stamp its images"
    TO_AND_FRO = (
        "stamps jump to and fro: two publishers or two clocks on one topic, or a short recording "
        "that loops?"
    )


class StampGate:
    """Admits frames by stamp at up to ``rate_hz``. For one thread."""

    def __init__(self, rate_hz: float, max_gap_s: float) -> None:
        """Start without a stamp.

        Args:
            rate_hz: rate of admitted frames, above 0.
            max_gap_s: forward gap in seconds after which the stream counts as new, above 0. A
                backward step up to this long is a frame out of order, a longer one a clock that
                was set back or a recording that started again.

        Raises:
            ValueError: an argument is not a finite number above 0.
        """
        self._max_gap_ns = round(_positive("max_gap_s", max_gap_s) * _NS)
        self.rate_hz = rate_hz
        self.reset()

    @property
    def rate_hz(self) -> float:
        """Rate of admitted frames in Hz. Setting it takes effect with the next frame."""
        return self._rate_hz

    @rate_hz.setter
    def rate_hz(self, rate_hz: float) -> None:
        self._rate_hz = _positive("rate_hz", rate_hz)
        self._period_ns = _NS / rate_hz
        self._due_ns = -math.inf  # The next frame starts a new grid.

    def reset(self) -> None:
        """Forget every stamp; the next frame is the first one."""
        self._newest_ns: int | None = None
        self._interval_ns = 0
        self._due_ns = -math.inf
        self._latest: deque[Admission] = deque(maxlen=_LATEST)

    def fault(self, tolerated: float = 0.1) -> StampFault | None:
        """Return what is wrong with the latest stamps, or None if nothing is.

        Args:
            tolerated: share of frames whose stamps may go back. A recording that loops and a
                frame that arrives late are no faults.
        """
        if len(self._latest) < _FEWEST:
            return None
        counts = Counter(self._latest)
        if counts[Admission.DUPLICATE] >= len(self._latest) - 1:
            return StampFault.ALL_EQUAL
        backward = counts[Admission.OUT_OF_ORDER] + counts[Admission.JUMP_BACK]
        return StampFault.TO_AND_FRO if backward > tolerated * len(self._latest) else None

    def admit(self, stamp_ns: int) -> Admission:
        """Judge the next frame by its stamp in nanoseconds."""
        admission = self._judge(stamp_ns)
        self._latest.append(admission)
        if admission in (Admission.DUPLICATE, Admission.OUT_OF_ORDER):
            return admission
        if self._newest_ns is not None:
            self._interval_ns = max(0, stamp_ns - self._newest_ns)
        self._newest_ns = stamp_ns
        if admission.resets:
            self._due_ns = -math.inf
        if admission.accepted:
            self._move_grid(stamp_ns)
        return admission

    def _judge(self, stamp_ns: int) -> Admission:
        if self._newest_ns is None:
            return Admission.ACCEPTED
        step_ns = stamp_ns - self._newest_ns
        if step_ns == 0:
            return Admission.DUPLICATE
        if step_ns < 0:
            late = -step_ns <= self._max_gap_ns
            return Admission.OUT_OF_ORDER if late else Admission.JUMP_BACK
        if self._is_gap(step_ns):
            return Admission.GAP
        return Admission.ACCEPTED if stamp_ns >= self._due_ns else Admission.EARLY

    def _is_gap(self, step_ns: int) -> bool:
        """Tell a hole in the stream from a camera that always takes longer than the limit.

        Without the second condition a 1 Hz camera with some jitter would be one long row of gaps,
        and no clip would ever be complete.
        """
        return step_ns > self._max_gap_ns and step_ns > 2 * self._interval_ns

    def _move_grid(self, stamp_ns: int) -> None:
        if stamp_ns - self._due_ns >= _LATE * self._period_ns:
            self._due_ns = stamp_ns + _FIRST_DUE * self._period_ns
        else:
            self._due_ns += self._period_ns


def _positive(name: str, value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} must be a finite number above 0, not {value}")
    return value
