# SPDX-License-Identifier: Apache-2.0
"""What a method says of a stream, and the three ways to read it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.evaluation.selective.decodings import Decodings
from vljepa_ros.evaluation.selective.matching import live, nearest, spanning

NEAREST, SPAN, LIVE = "nearest", "span", "live"
READINGS = {
    NEAREST: "the output nearest in time counts, as in the paper; an output stands in the middle "
    "of the span that it speaks of",
    SPAN: "the output counts whose span holds the moment",
    LIVE: "what had been said last by then counts, as on a display; outputs that sum up what is "
    "over have no such reading",
}


@dataclass(frozen=True)
class Outputs:
    """The N outputs of a method.

    Attributes:
        decodings: what is decoded of which spans.
        heard: (N) frames at which a robot says each of the state at that moment; None where they
            sum up what is over.
    """

    decodings: Decodings
    heard: NDArray[np.intp] | None

    def read(self, reading: str, frames: ArrayLike) -> NDArray[np.intp]:
        """Return which output answers for each frame (A), -1 where none does.

        Raises:
            ValueError: the outputs are of the past, and were to be read live.
        """
        if reading == NEAREST:
            return nearest(self.decodings, frames)
        if reading == SPAN:
            return spanning(self.decodings, frames)
        if self.heard is None:
            raise ValueError("what sums up the past says nothing of a state that stands")
        return live(replace(self.decodings, spoken=self.heard), frames)
