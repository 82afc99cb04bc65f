# SPDX-License-Identifier: Apache-2.0
"""Pieces of a stream: what lies between two decodes, and the mean that stands for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.vectors import unit


@dataclass(frozen=True)
class Piece:
    """Samples of one stream from ``start_ns`` to ``end_ns``, where the next piece begins.

    Attributes:
        start_ns: stamp of the first sample.
        end_ns: stamp of the sample with which another state begins, or of the last sample.
        mean: arithmetic mean (dimension) of the samples' unit vectors.
        samples: how many there are, at least one.
    """

    start_ns: int
    end_ns: int
    mean: NDArray[np.float64]
    samples: int

    @property
    def pooled(self) -> NDArray[np.float32]:
        """Unit vector (dimension) that stands for the piece.

        Raises:
            EmbeddingError: the samples cancel out.
        """
        return unit(self.mean)

    def joined(self, later: Piece) -> Piece:
        """Return this piece and the one that follows it as one."""
        samples = self.samples + later.samples
        mean = (self.samples * self.mean + later.samples * later.mean) / samples
        return Piece(self.start_ns, later.end_ns, mean, samples)


class OpenPiece:
    """A piece that still grows. For one thread."""

    def __init__(self, stamp_ns: int, sample: NDArray[np.float32]) -> None:
        """Begin with a unit vector (dimension)."""
        self.start_ns = stamp_ns
        self._total = sample.astype(np.float64)
        self._samples = 1

    def add(self, sample: NDArray[np.float32]) -> None:
        """Take the next unit vector (dimension)."""
        self._total += sample
        self._samples += 1

    def closed(self, end_ns: int) -> Piece:
        """Return what there is so far, ending at ``end_ns``."""
        return Piece(self.start_ns, end_ns, self._total / self._samples, self._samples)
