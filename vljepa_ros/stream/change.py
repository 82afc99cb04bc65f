# SPDX-License-Identifier: Apache-2.0
"""Finds the moments at which an embedding stream enters a new state, from the past alone.

The smoothed embedding is compared with the one of the last decode, the anchor. Neighbouring frames
would not do: their distance stays small while a slow change adds up, and a single bad frame passes
the threshold twice. Against an anchor, drift is found and a glitch is not.

When a distance passes the threshold, a second average starts with that sample. If the change is
confirmed, this average is the new state: the embedding that is described, and the new anchor, hold
nothing of the old state that is still in the smoothed one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.stream.pieces import OpenPiece, Piece
from vljepa_ros.stream.vectors import EmbeddingError, unit

_NS = 1_000_000_000


@dataclass(frozen=True)
class ChangeConfig:
    """When a change counts. Times are by the stamps of the stream.

    Attributes:
        threshold: cosine distance (0..2) to the anchor above which a sample speaks for a change.
        smoothing_s: time constant of the exponential average in seconds; 0 is none.
        confirmations: samples in a row above the threshold that make a change.
        min_gap_s: shortest time in seconds between two decodes.
        refresh_s: longest time in seconds without a decode; 0 is no limit.
    """

    threshold: float = 0.05
    smoothing_s: float = 0.05
    confirmations: int = 2
    min_gap_s: float = 0.3
    refresh_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 2.0:
            raise ValueError(f"threshold must be above 0 and at most 2, not {self.threshold}")
        if self.confirmations < 1:
            raise ValueError(f"confirmations must be at least 1, not {self.confirmations}")
        for name in ("smoothing_s", "min_gap_s", "refresh_s"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a finite number of at least 0, not {value}")


class Reason(IntEnum):
    """Why a state is decoded. The values are those of StateDescription.reason."""

    FIRST = 0
    CHANGE = 1
    REFRESH = 2
    FORCED = 3


@dataclass(frozen=True)
class Decode:
    """A moment at which the state is to be described.

    Attributes:
        stamp_ns: stamp of the newest sample.
        since_ns: stamp of the sample with which the state began.
        reason: why now.
        distance: cosine distance between the newest average and the anchor; 0 for FIRST.
        embedding: unit vector (dimension) that stands for the state.
        ended: the samples since the decode before, which are final now; None for the first decode
            and for FORCED, which ends nothing.
    """

    stamp_ns: int
    since_ns: int
    reason: Reason
    distance: float
    embedding: NDArray[np.float32]
    ended: Piece | None = None


class _Average:
    """Exponential average of unit vectors over time."""

    def __init__(self, sample: NDArray[np.float32], stamp_ns: int) -> None:
        self.since_ns = stamp_ns
        self._sum = sample.astype(np.float64)
        self._stamp_ns = stamp_ns

    def add(self, sample: NDArray[np.float32], stamp_ns: int, smoothing_s: float) -> None:
        elapsed_s = (stamp_ns - self._stamp_ns) / _NS
        weight = -math.expm1(-elapsed_s / smoothing_s) if smoothing_s > 0 else 1.0
        mean = (1.0 - weight) * self._sum + weight * sample
        self._sum = mean if np.linalg.norm(mean) > 1e-6 else sample.astype(np.float64)
        self._stamp_ns = stamp_ns

    @property
    def direction(self) -> NDArray[np.float32]:
        return unit(self._sum)


class ChangeDetector:
    """Watches one stream of embeddings. For one thread. ``config`` may be replaced at any time."""

    def __init__(self, config: ChangeConfig) -> None:
        """Start without a sample."""
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the next sample is the first one."""
        self._smoothed: _Average | None = None
        self._candidate: _Average | None = None
        self._open: OpenPiece | None = None
        self._pending: OpenPiece | None = None  # samples of the candidate
        self._confirmed = 0
        self._anchor: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._stamp_ns = self._decoded_ns = self._since_ns = 0

    def update(self, stamp_ns: int, embedding: ArrayLike) -> Decode | None:
        """Take the next sample and return a decode if one is due.

        A stamp that was seen already changes nothing. A stamp before the newest one means that the
        clock or the recording started again: the detector starts anew too.

        Raises:
            EmbeddingError: the embedding (dimension) is zero, not finite, or has another dimension
                than those before it. The state stays as it was.
        """
        sample = self._checked(embedding)
        if self._smoothed is None or stamp_ns < self._stamp_ns:
            return self._start(sample, stamp_ns)
        if stamp_ns == self._stamp_ns:
            return None
        self._stamp_ns = stamp_ns
        self._smoothed.add(sample, stamp_ns, self.config.smoothing_s)
        distance = self._distance(self._smoothed)
        self._follow_candidate(sample, distance)
        return self._due(sample, distance)

    def finish(self) -> Piece | None:
        """Return the samples since the last decode, or None before any sample.

        This only looks, for a stream that ends here.
        """
        if self._open is None:
            return None
        piece = self._open.closed(self._stamp_ns)
        return piece.joined(self._pending.closed(self._stamp_ns)) if self._pending else piece

    def force(self) -> Decode | None:
        """Return the state as it is now, or None before any sample.

        This only looks: the anchor and all times stay, so that asking often hides no change.
        """
        if self._smoothed is None:
            return None
        average = self._candidate or self._smoothed
        since_ns = self._candidate.since_ns if self._candidate else self._since_ns
        distance = self._distance(average)
        return Decode(self._stamp_ns, since_ns, Reason.FORCED, distance, average.direction)

    def _checked(self, embedding: ArrayLike) -> NDArray[np.float32]:
        sample = unit(embedding)
        if sample.ndim != 1:
            raise EmbeddingError(f"an embedding must be one vector, not of shape {sample.shape}")
        if self._smoothed is not None and sample.shape != self._anchor.shape:
            raise EmbeddingError(
                f"an embedding of dimension {sample.size}, after those of {self._anchor.size}"
            )
        return sample

    def _start(self, sample: NDArray[np.float32], stamp_ns: int) -> Decode:
        ended = self.finish()
        self.reset()
        self._smoothed = _Average(sample, stamp_ns)
        self._stamp_ns = self._since_ns = stamp_ns
        self._anchor = sample
        self._open = OpenPiece(stamp_ns, sample)
        return self._decode(self._smoothed, Reason.FIRST, 0.0, ended)

    def _follow_candidate(self, sample: NDArray[np.float32], distance: float) -> None:
        assert self._open is not None, "there was a first sample"
        if distance <= self.config.threshold:
            if self._pending is not None:
                self._open.absorb(self._pending)
            self._open.add(sample)
            self._candidate, self._pending, self._confirmed = None, None, 0
            return
        self._confirmed += 1
        if self._candidate is None or self._pending is None:
            self._candidate = _Average(sample, self._stamp_ns)
            self._pending = OpenPiece(self._stamp_ns, sample)
        else:
            self._candidate.add(sample, self._stamp_ns, self.config.smoothing_s)
            self._pending.add(sample)

    def _due(self, sample: NDArray[np.float32], distance: float) -> Decode | None:
        config = self.config
        silence_s = (self._stamp_ns - self._decoded_ns) / _NS
        if self._smoothed is None or self._open is None or silence_s < config.min_gap_s:
            return None
        if self._candidate is not None and self._confirmed >= config.confirmations:
            self._smoothed = self._candidate
            self._since_ns = self._candidate.since_ns
            ended, self._open = self._open.closed(self._since_ns), self._pending
            return self._decode(self._candidate, Reason.CHANGE, distance, ended)
        if self._candidate is None and 0 < config.refresh_s <= silence_s:
            ended = self._open.closed(self._stamp_ns)
            self._open = OpenPiece(self._stamp_ns, sample)
            return self._decode(self._smoothed, Reason.REFRESH, distance, ended)
        return None

    def _decode(
        self, average: _Average, reason: Reason, distance: float, ended: Piece | None
    ) -> Decode:
        self._anchor = average.direction
        self._decoded_ns = self._stamp_ns
        self._candidate, self._pending, self._confirmed = None, None, 0
        return Decode(self._stamp_ns, self._since_ns, reason, distance, self._anchor, ended)

    def _distance(self, average: _Average) -> float:
        cosine = float(np.dot(average.direction, self._anchor))
        return min(2.0, max(0.0, 1.0 - cosine))
