# SPDX-License-Identifier: Apache-2.0
"""Segments of a stream of embeddings: a span of time and the mean of its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.vectors import unit


@dataclass(frozen=True)
class Segment:
    """Samples of one stream from ``start_ns`` to ``end_ns``.

    Attributes:
        start_ns: stamp of the first sample.
        end_ns: stamp of the first sample of the next segment; of the last sample if the stream
            ends here.
        mean: arithmetic mean (dimension) of the samples' unit vectors.
        samples: how many there are, at least one.
        unfamiliarity: mean of the samples' (0..1); NaN if it is not known.
    """

    start_ns: int
    end_ns: int
    mean: NDArray[np.float64]
    samples: int
    unfamiliarity: float = math.nan

    @property
    def embedding(self) -> NDArray[np.float32]:
        """Unit vector (dimension) in the direction of the mean.

        Raises:
            EmbeddingError: the samples cancel out.
        """
        return unit(self.mean)

    def joined(self, later: Segment) -> Segment:
        """Return this segment and the one that follows it as one."""
        samples = self.samples + later.samples
        mean = (self.samples * self.mean + later.samples * later.mean) / samples
        total = self.samples * self.unfamiliarity + later.samples * later.unfamiliarity
        return Segment(self.start_ns, later.end_ns, mean, samples, total / samples)


class OpenSegment:
    """The running sum of a segment that still grows. For one thread."""

    def __init__(self, stamp_ns: int, sample: NDArray[np.float32], unfamiliarity: float) -> None:
        """Begin with a unit vector (dimension) and how unfamiliar it is."""
        self.start_ns = stamp_ns
        self._total = sample.astype(np.float64)
        self._unfamiliarity = unfamiliarity
        self._samples = 1

    def add(self, sample: NDArray[np.float32], unfamiliarity: float) -> None:
        """Take the next unit vector (dimension) and how unfamiliar it is."""
        self._total += sample
        self._unfamiliarity += unfamiliarity
        self._samples += 1

    def closed(self, end_ns: int) -> Segment:
        """Return what was added so far, ending at ``end_ns``."""
        mean, unfamiliarity = self._total / self._samples, self._unfamiliarity / self._samples
        return Segment(self.start_ns, end_ns, mean, self._samples, unfamiliarity)


def join(earlier: Segment | None, later: Segment | None) -> Segment | None:
    """Return two segments, the second of which follows the first, as one; None is no segment."""
    if earlier is None or later is None:
        return later if earlier is None else earlier
    return earlier.joined(later)
