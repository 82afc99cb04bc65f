# SPDX-License-Identifier: Apache-2.0
"""What a model keeps of a stream between two frames, if its X-Encoder has a memory.

The X-Encoder's graph computes one frame of each stream from the window that ends with it, its
time, the state that the frame before left behind, and which frames in that state still count. A
memory is a value: to see a frame gives a new one (:mod:`.stream_steps`), and whoever holds the old
one may see another frame with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import MemoryShape
from vljepa_ros.runtime.scene_features import CHANGE_S

TIME, SEEN = "time", "seen"
PAST, NEXT, STATE = "past_", "next_", "attention"
"""Names of the graph's inputs, what those of the state begin with as inputs and outputs, and the
name of the state that our X-Encoder has."""

_NS = 1_000_000_000


@dataclass(frozen=True)
class StreamMemory:
    """What is kept of one stream.

    Attributes:
        state: arrays of the model, by name, without the axis of streams.
        stamps_ns: of the frames in it, newest first; none if the stream begins.
        looks: what a frame encoder's channels were on average (C) in each of these frames.
        origin_ns: stamp of the stream's first frame, from which times are counted.
    """

    state: Mapping[str, NDArray[np.float32]]
    stamps_ns: tuple[int, ...] = ()
    looks: tuple[NDArray[np.float32], ...] = ()
    origin_ns: int = 0

    @classmethod
    def empty(cls, shape: MemoryShape) -> StreamMemory:
        """Return what is kept before the first frame."""
        return cls({name: np.zeros(size, np.float32) for name, size in shape.state.items()})

    @property
    def oldest_ns(self) -> int:
        """Stamp of the oldest frame that is kept."""
        return self.stamps_ns[-1]

    def newest_looks(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the look of the newest frame and the one to compare it with.

        That is of the frame nearest to :data:`~.scene_features.CHANGE_S` before it.
        """
        wanted = self.stamps_ns[0] - CHANGE_S * _NS
        apart = [abs(stamp - wanted) for stamp in self.stamps_ns]
        return self.looks[0], self.looks[apart.index(min(apart))]
