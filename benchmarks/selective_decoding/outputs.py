# SPDX-License-Identifier: Apache-2.0
"""What a method says of a stream, and the three ways to read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.selective_decoding.decodings import Decodings
from benchmarks.selective_decoding.matching import live, nearest, spanning

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
    """The outputs of a method.

    Attributes:
        decodings: what stands in the end, of which spans.
        heard: what a robot says while it happens, each at its moment; None if outputs sum up
            what is over.
    """

    decodings: Decodings
    heard: Decodings | None

    @property
    def decoded(self) -> NDArray[np.intp]:
        """Frames (N) at which the outputs that were decoded stand in time."""
        return (self.heard or self.decodings).spoken

    def read(self, reading: str, frames: ArrayLike) -> tuple[Decodings, NDArray[np.intp]]:
        """Return outputs, and which of them answers for each frame (A): -1 if none does.

        Raises:
            ValueError: the outputs are of the past, and were to be read live.
        """
        if reading == NEAREST:
            return self.decodings, nearest(self.decodings, frames)
        if reading == SPAN:
            return self.decodings, spanning(self.decodings, frames)
        if self.heard is None:
            raise ValueError("what sums up the past says nothing of a state that stands")
        return self.heard, live(self.heard, frames)


def of_spans(starts: NDArray[np.intp], frames: int, embeddings: NDArray[np.floating]) -> Decodings:
    """Return what stands in the middle of spans, whose first frames (N) ascend from 0."""
    ends = np.append(starts[1:], frames)
    return Decodings(starts + (ends - starts) // 2, starts, ends, embeddings)
