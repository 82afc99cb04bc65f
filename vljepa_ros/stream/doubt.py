# SPDX-License-Identifier: Apache-2.0
"""Which clips of a stream may be believed, and for how long they have not been.

A clip is strange if it looks unlike all that the model was made for, or if its images are at
fault. A stream is in doubt if its clips have been strange for longer than a moment, and it is no
more in doubt if they have been familiar for longer than a moment.

A clip that does not agree with the state of its stream waits until it is clear what it belongs to.
So no word is said about the first moment of a doubt, and a few strange clips cost a delay and lose
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.hysteresis import Hysteresis
from vljepa_ros.stream.image_faults import ImageFault

SILENT, MARK, SPEAK = "silent", "mark", "speak"
WHEN_UNFAMILIAR = (SILENT, MARK, SPEAK)
"""What is done while a stream is in doubt."""

_NS = 1_000_000_000


@dataclass(frozen=True)
class DoubtConfig:
    """When a stream is in doubt, and what is done then. Times are by the stamps of the stream.

    Attributes:
        threshold: unfamiliarity (0..1) above which a clip is strange; 1 is never.
        after_s: time in seconds for which clips are strange before the stream is in doubt.
        back_after_s: time in seconds for which they are familiar before it is not.
        when: one of :data:`WHEN_UNFAMILIAR`.
    """

    threshold: float = 0.99
    after_s: float = 1.0
    back_after_s: float = 1.0
    when: str = SILENT


class Claim(Enum):
    """What may be said about clips."""

    SPOKEN = "words"
    MARKED = "words, and that they are not to be trusted"
    NONE = "no words"


@dataclass(frozen=True)
class Sight:
    """What is known of one clip.

    Attributes:
        stamp_ns: stamp of its newest image.
        embedding: (dimension).
        signal: what is compared to find changes; None is the embedding itself.
        unfamiliarity: 0..1, NaN if it is not known.
        image_fault: what is wrong with its newest image.
    """

    stamp_ns: int
    embedding: NDArray[np.float32]
    signal: NDArray[np.float64] | None = None
    unfamiliarity: float = math.nan
    image_fault: ImageFault = ImageFault.NO_FAULT


class Doubt:
    """The doubt of one stream. For one thread. ``config`` may be replaced at any time."""

    def __init__(self, config: DoubtConfig) -> None:
        """Start without a clip."""
        self.config = config
        self._state = Hysteresis(config.after_s, config.back_after_s)
        self.clear()

    @property
    def claim(self) -> Claim:
        """What may be said about the clips that were returned last."""
        if not self._state.is_on or self.config.when == SPEAK:
            return Claim.SPOKEN
        return Claim.MARKED if self.config.when == MARK else Claim.NONE

    @property
    def since_ns(self) -> int | None:
        """Stamp of the first clip of the doubt; None if there is no doubt."""
        return self._state.since_ns if self._state.is_on else None

    def clear(self) -> None:
        """Forget the stream, and the clips that wait."""
        self._state.clear()
        self._waiting: list[Sight] = []
        self.cause = ImageFault.NO_FAULT  # of the doubt; without a fault it is the scene
        self._other: tuple[ImageFault, int] | None = None  # another cause, and since when

    def add(self, sight: Sight) -> list[Sight]:
        """Take the next clip and return those that need not wait any more, oldest first."""
        config, was_on = self.config, self._state.is_on
        self._state.after_s, self._state.back_after_s = config.after_s, config.back_after_s
        is_strange = self._is_strange(sight)
        is_on = self._state.add(sight.stamp_ns, is_strange)
        self._waiting.append(sight)
        if is_on and is_strange:
            self._follow_cause(sight, begins=not was_on)
        if is_strange is not is_on and config.when != SPEAK:
            return []
        decided, self._waiting = self._waiting, []
        return decided

    def _is_strange(self, sight: Sight) -> bool:
        is_unfamiliar = sight.unfamiliarity > self.config.threshold  # not if it is not known
        return is_unfamiliar or sight.image_fault is not ImageFault.NO_FAULT

    def _follow_cause(self, sight: Sight, *, begins: bool) -> None:
        """Take the cause of the newest clip once it has lasted for longer than a moment."""
        fault = sight.image_fault
        if begins:
            self.cause = fault
        if fault is self.cause:
            self._other = None
        elif self._other is None or self._other[0] is not fault:
            self._other = fault, sight.stamp_ns
        elif sight.stamp_ns - self._other[1] >= self.config.after_s * _NS:
            self.cause, self._other = fault, None
