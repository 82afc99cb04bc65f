# SPDX-License-Identifier: Apache-2.0
"""Which images of a clip the model sees: those shown in the middle of equal parts of it.

An image is shown from its own time to the time of the next one. The last image is shown for one
period of the recording. So the rule is the same for even and uneven rates, for one image and for
thousands, and it needs nothing but the images' times.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ROUNDING_S = 0.001  # containers round times, some of them to a millisecond
LONE_IMAGE_S = 0.1  # for which the only image of a recording is shown
_LATEST_END = 1.5  # periods after the end of a recording at which a part of it may end

_T = TypeVar("_T")


def middle_times(start: float, end: float, count: int) -> NDArray[np.float64]:
    """Return the times in the middle of ``count`` equal parts of ``start`` to ``end``."""
    return start + (np.arange(count) + 0.5) * (end - start) / count


def live_times(end: float, count: int, rate_hz: float) -> NDArray[np.float64]:
    """Return the times of a clip at a rate that ends at ``end``, as a robot sees it then.

    It may begin before the part that is looked at, but not before the first image, at 0.
    """
    return np.maximum(0.0, end - np.arange(count - 1, -1, -1) / rate_hz)


def shown_at(images: Iterable[tuple[float, _T]], times: Sequence[float]) -> Iterator[_T]:
    """Yield for each time the image that is shown then: the newest that is not after it.

    A time before the first image gets the first. No more images are taken than are needed.

    Args:
        images: time in seconds and image, in the order of time.
        times: seconds, in the order of time.
    """
    waiting = deque(times)
    newest: list[_T] = []  # one image, or none before the first
    for time, image in images:
        while newest and waiting and waiting[0] + ROUNDING_S < time:
            waiting.popleft()
            yield newest[0]
        if not waiting:
            return
        newest = [image]
    if newest:
        yield from newest * len(waiting)


def spread_evenly(count: int, frames: int) -> list[int]:
    """Return the numbers of the images that the model sees of a clip whose images have no times.

    Their distances are taken as equal. A clip of few images gives some of them again.

    Args:
        count: images of the clip.
        frames: images that the model takes.

    Raises:
        ValueError: the clip has no image.
    """
    if count < 1:
        raise ValueError("a clip must have at least one image")
    numbers = ((float(number), number) for number in range(count))
    return list(shown_at(numbers, middle_times(0, count, frames).tolist()))


@dataclass(frozen=True)
class Extent:
    """How long a recording is.

    Attributes:
        end: seconds from the first image to the end of the last one's period. A still picture
            has no end: ``math.inf``.
        period: seconds for which an image is shown, the median of the recording.
    """

    end: float
    period: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Extent:
        """Return the extent of a recording whose images, at least one, have these times.

        Args:
            seconds: from the first image, in the order of time.
        """
        period = float(np.median(np.diff(seconds))) if len(seconds) > 1 else LONE_IMAGE_S
        return cls(seconds[-1] + period, period)

    def part(self, start: float, end: float) -> tuple[float, float]:
        """Return a part of the recording with its own end if it is open.

        Args:
            start: seconds from the first image.
            end: seconds, or ``math.inf`` for the end of the recording.

        Raises:
            ValueError: the part ends or begins too late.
        """
        latest = self.end + _LATEST_END * self.period
        if math.isfinite(end) and end > latest:
            raise ValueError(f"it ends at {self.end:.3f} s, before {end:g} s")
        if start > latest:
            raise ValueError(f"it ends at {self.end:.3f} s, before {start:g} s")
        if math.isinf(end):
            end = start if math.isinf(self.end) else max(start, self.end)
        return start, end
