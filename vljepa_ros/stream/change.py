# SPDX-License-Identifier: Apache-2.0
"""Detects, online, when a stream of embeddings enters a new state.

It asks at every sample what Ward's clustering, the paper's offline method (section 4.6), asks of
two neighbouring segments: by how much would the spread within them grow if they were one? Here the
two are what was seen since the last decode, cut at the best place. If the growth is more than the
stream's own noise explains, the cut is a change and the part after it is the new state: what is
decoded holds nothing of the old one.

The growth is a distance times a time, so a great change counts after a few samples, a small one
later, a glitch of one sample never, and a slow drift once it has led far enough from the mean.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.stream.segment import OpenSegment, Segment
from vljepa_ros.stream.spread import LOOK_BACK, Split, Spread
from vljepa_ros.stream.vectors import EmbeddingError, unit

LONGEST_SAMPLE_S = 0.5  # a sample stands for no longer time
NOISE_S = 5.0  # time constant of the noise's average
QUIET = 0.1  # noise that doubles the evidence that a change needs
MARGIN = 4.0  # by how much a change exceeds what independent samples of this noise make alone
_NS = 1_000_000_000


@dataclass(frozen=True)
class ChangeConfig:
    """When a change counts. Times are by the stamps of the stream.

    Attributes:
        evidence_s: time in seconds for which a wholly different sample has to last in a stream
            without noise; one that differs half as much needs twice the time.
        confirmations: least number of samples that make a new state.
        min_gap_s: shortest time in seconds between two decodes.
        refresh_s: longest time in seconds without a decode; 0 is no limit.
    """

    evidence_s: float = 0.02
    confirmations: int = 2
    min_gap_s: float = 0.3
    refresh_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 < self.evidence_s < math.inf:
            raise ValueError(f"evidence_s must be above 0 and finite, not {self.evidence_s}")
        if not 1 <= self.confirmations <= LOOK_BACK:
            raise ValueError(
                f"confirmations must be from 1 to {LOOK_BACK}, not {self.confirmations}"
            )
        for name in ("min_gap_s", "refresh_s"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a finite number of at least 0, not {value}")


class Reason(IntEnum):
    """Why a state is told. The values are those of StateDescription.reason.

    Nothing is decoded for LOST, and for UNFAMILIAR only if the words are told all the same.
    """

    FIRST = 0
    CHANGE = 1
    REFRESH = 2
    FORCED = 3
    CORRECTION = 4
    LOST = 5
    UNFAMILIAR = 6


@dataclass(frozen=True)
class Decode:
    """A point of the stream at which the state is to be decoded into words.

    Attributes:
        stamp_ns: stamp of the newest sample.
        since_ns: stamp of the sample with which the state began.
        reason: why now.
        distance: cosine distance (0..2) between this embedding and that of the decode before; 0
            for FIRST.
        embedding: unit vector (dimension) that stands for the state.
        ended: the segment since the decode before, which is final now. None if it has no sample,
            for FORCED, which changes nothing, and for CORRECTION, which is about the same samples.
        unfamiliarity: mean (0..1) over the samples that the embedding stands for; NaN if it is not
            known.
    """

    stamp_ns: int
    since_ns: int
    reason: Reason
    distance: float
    embedding: NDArray[np.float32]
    ended: Segment | None = None
    unfamiliarity: float = math.nan


class _Sample(NamedTuple):
    stamp_ns: int
    embedding: NDArray[np.float32]
    signal: NDArray[np.float64]
    unfamiliarity: float


class ChangeDetector:
    """Watches one stream of embeddings. For one thread. ``config`` may be replaced at any time."""

    def __init__(self, config: ChangeConfig) -> None:
        """Start without a sample."""
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the next sample is the first one."""
        self._recent: deque[_Sample] = deque()
        self._spread = Spread(0)
        self._settled: OpenSegment | None = None  # samples too old for a cut
        self._step_s, self._weight_s = math.inf, LONGEST_SAMPLE_S
        self._noise = self._noise_known = 0.0
        self._signal: NDArray[np.float64] = np.empty(0)  # the newest
        self._baseline: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._unfamiliarity = math.nan  # of the baseline
        self._stamp_ns = self._decoded_ns = self._since_ns = 0

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample, or None before any."""
        return self._stamp_ns if self._started else None

    @property
    def required_s(self) -> float:
        """Evidence in seconds that a change needs now."""
        evidence_s = self.config.evidence_s
        return evidence_s + self._noise * max(evidence_s / QUIET, MARGIN * self._weight_s)

    def update(
        self,
        stamp_ns: int,
        embedding: ArrayLike,
        signal: ArrayLike | None = None,
        *,
        cut: bool = False,
        unfamiliarity: float = math.nan,
    ) -> Decode | None:
        """Take the next sample and return a decode if one is due.

        A stamp that was seen already changes nothing. A stamp before the newest one means that the
        clock or the recording started again: the detector starts anew, as after a cut.

        Args:
            stamp_ns: when it was seen.
            embedding: (dimension), what is decoded.
            signal: (any), what is compared; two samples are wholly different if half of their
                squared distance is 1. None is the embedding itself. If its dimension has
                changed, other things are compared from now on: the state is refreshed at once.
            cut: whether the stream was cut since the sample before.
            unfamiliarity: how unfamiliar (0..1) the clip of the sample looks; NaN if it is not
                known.

        Raises:
            EmbeddingError: the embedding is zero, the embedding or the signal is not finite, or
                the embedding has another dimension than those before. The state stays as it was.
        """
        vector = self._checked(embedding)
        compared = _checked_signal(vector if signal is None else signal)
        sample = _Sample(stamp_ns, vector, compared, unfamiliarity)
        if not self._started or cut or stamp_ns < self._stamp_ns:
            return self._start(sample)
        if stamp_ns == self._stamp_ns:
            return None
        step_s = (stamp_ns - self._stamp_ns) / _NS
        self._weight_s = min(step_s, self._step_s, LONGEST_SAMPLE_S)  # a gap is no evidence
        if self._step_s == math.inf:  # only now it is known for how long the first one stands
            self._spread.add(self._signal, self._weight_s)
            self._spread.set_baseline()
        self._stamp_ns, self._step_s = stamp_ns, step_s
        if compared.size != self._spread.size:
            return self._compare_anew(sample)
        self._follow_noise(compared)
        self._append(sample)
        return self._due()

    def check(self, embedding: ArrayLike, signal: ArrayLike | None = None) -> None:
        """Raise what :meth:`update` raises for a sample that cannot be used."""
        self._checked(embedding)
        if signal is not None:
            _checked_signal(signal)

    def finish(self) -> Segment | None:
        """Return the segment since the last decode, or None if it has no sample.

        For a stream that ends here; the detector itself stays as it is.
        """
        return self._closed_segment(len(self._recent), self._stamp_ns)

    def force(self) -> Decode | None:
        """Return the state as it is now, or None before any sample.

        The detector stays as it is: asking often hides no change. If a change is likely, the new
        state is returned although it is not confirmed yet.
        """
        if not self._started:
            return None
        since_ns, embedding, unfamiliarity = self._since_ns, self._baseline, self._unfamiliarity
        if (first := self._likely_change()) is not None:
            new = self._after(first)
            since_ns, embedding, unfamiliarity = new[0].stamp_ns, _mean(new), _strangeness(new)
        elif self._recent:
            newest = self._after(max(0, len(self._recent) - self.config.confirmations))
            embedding, unfamiliarity = _mean(newest), _strangeness(newest)
        distance = self._distance(embedding)
        forced = Decode(self._stamp_ns, since_ns, Reason.FORCED, distance, embedding)
        return replace(forced, unfamiliarity=unfamiliarity)

    @property
    def _started(self) -> bool:
        return self._baseline.size > 0

    def _checked(self, embedding: ArrayLike) -> NDArray[np.float32]:
        vector = unit(embedding)
        if vector.ndim != 1:
            raise EmbeddingError(f"an embedding must be one vector, not of shape {vector.shape}")
        if self._started and vector.size != self._baseline.size:
            raise EmbeddingError(
                f"an embedding of dimension {vector.size}, after those of {self._baseline.size}"
            )
        return vector

    def _start(self, sample: _Sample) -> Decode:
        ended = self.finish()
        self.reset()
        self._spread = Spread(sample.signal.size)
        self._recent.append(sample)
        self._stamp_ns = self._since_ns = sample.stamp_ns
        self._baseline, self._signal = sample.embedding, sample.signal
        return self._decode(sample.embedding, Reason.FIRST, ended, sample.unfamiliarity)

    def _compare_anew(self, sample: _Sample) -> Decode:
        """Begin the state anew with a sample whose signal is of another kind."""
        ended = self.finish()
        self._recent, self._settled = deque([sample]), None
        self._spread, self._signal = Spread(sample.signal.size), sample.signal
        self._spread.add(sample.signal, LONGEST_SAMPLE_S)
        self._spread.set_baseline()
        return self._decode(sample.embedding, Reason.REFRESH, ended, sample.unfamiliarity)

    def _append(self, sample: _Sample) -> None:
        if len(self._recent) == LOOK_BACK:
            self._settle(self._recent.popleft())
        self._recent.append(sample)
        self._spread.add(sample.signal, self._weight_s)

    def _follow_noise(self, signal: NDArray[np.float64]) -> None:
        """Average the variance from one sample to the next, to which a change adds only once.

        The variance within a state would grow with every change that is missed, so that the
        next one is missed too.
        """
        step, self._signal = signal - self._signal, signal
        share = -math.expm1(-self._weight_s / NOISE_S)
        self._noise_known += share * (1.0 - self._noise_known)
        share = share / self._noise_known if self._noise_known else 0.0  # a first step is all
        self._noise += share * (0.25 * float(step @ step) - self._noise)

    def _due(self) -> Decode | None:
        config = self.config
        silence_s = (self._stamp_ns - self._decoded_ns) / _NS
        if silence_s < config.min_gap_s:
            return None
        split = self._spread.best_split(config.confirmations)
        if split and split.evidence_s > self.required_s and self._is_confirmed(split):
            return self._change_at(split.first)
        drift_s = self._spread.drift_evidence_s(self._noise * self._weight_s)
        if drift_s > self.required_s and self._likely_change() is None:
            return self._correct()
        if 0 < config.refresh_s <= silence_s and self._likely_change() is None:
            return self._refresh()
        return None

    def _is_confirmed(self, split: Split) -> bool:
        """Whether the newest samples belong to the new state: after a glitch they do not."""
        newest = self._after(max(split.first, len(self._recent) - self.config.confirmations))
        return all(split.is_new(sample.signal) for sample in newest)

    def _likely_change(self) -> int | None:
        """Return the index at which a new state begins, or None if that is not likely."""
        split = self._spread.best_split(1)
        return split.first if split and split.evidence_s > self.required_s / 2 else None

    def _change_at(self, index: int) -> Decode:
        new = self._after(index)
        ended = self._closed_segment(index, new[0].stamp_ns)
        self._since_ns = new[0].stamp_ns
        self._recent, self._settled = deque(new), None
        self._spread.keep_after(index)
        self._spread.set_baseline()
        return self._decode(_mean(new), Reason.CHANGE, ended, _strangeness(new))

    def _correct(self) -> Decode:
        """Decode the same state again: its mean has drifted away from the baseline.

        The first samples of a state may show it badly, and a change may be too slow for a cut.
        """
        self._spread.set_baseline()
        embedding, unfamiliarity = self._described(self.finish())
        return self._decode(embedding, Reason.CORRECTION, None, unfamiliarity)

    def _refresh(self) -> Decode:
        """Decode what was seen since the last decode, and begin a new segment."""
        ended = self.finish()
        embedding, unfamiliarity = self._described(ended)
        self._recent.clear()
        self._spread.keep_mean()
        self._spread.set_baseline()
        self._settled = None
        return self._decode(embedding, Reason.REFRESH, ended, unfamiliarity)

    def _described(self, seen: Segment | None) -> tuple[NDArray[np.float32], float]:
        """Return the direction of what was seen and how unfamiliar it is; None is the baseline."""
        if seen is None:
            return self._baseline, self._unfamiliarity
        return _direction(seen.mean, self._baseline), seen.unfamiliarity

    def _decode(
        self,
        embedding: NDArray[np.float32],
        reason: Reason,
        ended: Segment | None,
        unfamiliarity: float,
    ) -> Decode:
        distance = 0.0 if reason is Reason.FIRST else self._distance(embedding)
        self._baseline, self._decoded_ns = embedding, self._stamp_ns
        self._unfamiliarity = unfamiliarity
        since_ns = self._since_ns
        return Decode(self._stamp_ns, since_ns, reason, distance, embedding, ended, unfamiliarity)

    def _distance(self, embedding: NDArray[np.float32]) -> float:
        cosine = float(np.dot(embedding, self._baseline))
        return min(2.0, max(0.0, 1.0 - cosine))

    def _after(self, index: int) -> list[_Sample]:
        return list(self._recent)[index:]

    def _settle(self, sample: _Sample) -> None:
        if self._settled is None:
            self._settled = OpenSegment(sample.stamp_ns, sample.embedding, sample.unfamiliarity)
        else:
            self._settled.add(sample.embedding, sample.unfamiliarity)

    def _closed_segment(self, count: int, end_ns: int) -> Segment | None:
        """Return all settled samples and the first ``count`` recent ones as one segment."""
        samples = list(self._recent)[:count]
        settled = self._settled.closed(end_ns) if self._settled else None
        if not samples:
            return settled
        mean = np.mean([s.embedding for s in samples], axis=0, dtype=np.float64)
        strangeness = _strangeness(samples)
        recent = Segment(samples[0].stamp_ns, end_ns, np.asarray(mean), len(samples), strangeness)
        return settled.joined(recent) if settled else recent


def _checked_signal(signal: ArrayLike) -> NDArray[np.float64]:
    vector = np.asarray(signal, dtype=np.float64)
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise EmbeddingError(f"a signal must be one finite vector, not of {vector.shape}")
    return vector


def _mean(samples: Sequence[_Sample]) -> NDArray[np.float32]:
    mean = np.mean([sample.embedding for sample in samples], axis=0, dtype=np.float64)
    return _direction(np.asarray(mean), samples[-1].embedding)


def _strangeness(samples: Sequence[_Sample]) -> float:
    return math.fsum(sample.unfamiliarity for sample in samples) / len(samples)


def _direction(mean: NDArray[np.float64], otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the unit vector of a mean; of opposite embeddings nothing is left to scale."""
    return unit(mean) if float(mean @ mean) > 1e-12 else otherwise
