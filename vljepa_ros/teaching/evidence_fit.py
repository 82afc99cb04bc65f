# SPDX-License-Identifier: Apache-2.0
"""The linear reading of a clip, in closed form: ridge regression on what the trunk saw.

What is read are the patches of the newest frame and their change since earlier frames. How strong
the penalty must be, and how far the result can be trusted, shows on recordings that were left out
in turn: that is also what the transformer learns beside, for it must mend the mistakes that the
reading makes on new recordings and not those that it makes on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.taught_clips import TaughtClips
from vljepa_ros.teaching.taught_recording import UNLABELLED

Floats = NDArray[np.float32]

_LAGS = (1, 2, 4, 7)  # frames of the clip
_PENALTIES = (0.3, 1.0, 3.0, 10.0)
_MOST_CLIPS = 3000
_FOLDS = 5
_SHARPNESS = np.geomspace(0.5, 30.0, 15)


@dataclass(frozen=True)
class Reading:
    """A linear map of clips: ``pooled`` features (B, values) @ ``weight`` + ``bias``."""

    weight: Floats
    bias: Floats

    def __call__(self, pooled: Floats) -> Floats:
        """Return the evidence of each text (B, texts)."""
        return pooled @ self.weight + self.bias


@dataclass(frozen=True)
class EvidenceFit:
    """What was found.

    Attributes:
        reading: taught on all recordings.
        honest: evidence of every clip (clips, texts), by a reading that was not taught on its
            recording if there are at least two.
        accuracy: mean recall of ``honest`` on recordings as they are, of the first query.
    """

    reading: Reading
    honest: Floats
    accuracy: float


def fit_evidence(
    clips: TaughtClips, sizes: Sequence[int], patch: int, seed: int = 0
) -> EvidenceFit:
    """Find the reading of some clips.

    Args:
        clips: what is taught.
        sizes: how many texts each query has.
        patch: side of the patches whose means are read.
        seed: of the choice of clips, if there are more than can be taken.
    """
    chosen = _chosen(clips, seed)
    ridge = _Ridge(clips, chosen, sizes, patch)
    folds = _folds(clips.recording)
    penalty = ridge.best_penalty(folds[chosen]) if folds.max() else 1.0
    left_out = [ridge.reading(penalty, folds[chosen] != fold) for fold in range(folds.max() + 1)]
    reading = ridge.reading(penalty, np.ones(len(chosen), bool))
    honest = _read(clips, left_out if folds.max() else [reading], folds, patch)
    sharpness = _sharpness(honest, clips, sizes) if folds.max() else np.full(sum(sizes), 5.0)
    accuracy = _recall(honest, clips, sizes)
    scaled = Reading(reading.weight * sharpness, reading.bias * sharpness)
    return EvidenceFit(_floats(scaled), np.float32(honest * sharpness), accuracy)


def _floats(reading: Reading) -> Reading:
    return Reading(np.float32(reading.weight), np.float32(reading.bias))


class _Ridge:
    """Ridge regression in its dual form: few clips, many values."""

    def __init__(
        self, clips: TaughtClips, chosen: NDArray[np.int64], sizes: Sequence[int], patch: int
    ) -> None:
        labels = clips.labels[chosen]
        self._plain, self._labels, self._sizes = clips.plain[chosen], labels, sizes
        self._frames = clips.shape.frames
        parts = [
            _changes(_pooled(clips, chosen[i : i + 64], patch)) for i in range(0, len(chosen), 64)
        ]
        values = np.concatenate(parts)
        self._mean = values.mean(0)
        self._spread = values.std(0) + 1e-3 * values.std()
        self._values = (values - self._mean) / self._spread
        self._root = np.sqrt(clips.shares()[chosen] / clips.shares()[chosen].mean())[:, None]
        scaled = self._values * np.float32(self._root)
        self._gram = np.float64(scaled @ scaled.T)
        self._unit = float(np.trace(self._gram)) / len(chosen)
        self._targets = _targets(labels, sizes) * self._root

    def best_penalty(self, folds: NDArray[np.int64]) -> float:
        """Return the penalty with the best mean recall on recordings that are left out."""
        recalls = []
        for penalty in _PENALTIES:
            scores = np.zeros(self._targets.shape)
            for fold in range(folds.max() + 1):
                left_out, taught = folds == fold, folds != fold
                found = self._gram[np.ix_(left_out, taught)] @ self._dual(penalty, taught)
                scores[left_out] = found / self._root[left_out]
            scores += _prior(self._sizes)
            recalls.append(_mean_recall(scores, self._labels, self._sizes, self._plain))
        return _PENALTIES[int(np.argmax(recalls))]

    def reading(self, penalty: float, taught: NDArray[np.bool_]) -> Reading:
        """Return the map that some of the clips teach, of pooled clips."""
        dual = self._dual(penalty, taught) * self._root[taught]
        weight = (self._values[taught].T @ np.float32(dual)) / self._spread[:, None]
        bias = _prior(self._sizes) - self._mean @ weight
        return Reading(_of_frames(weight, self._frames), bias)

    def _dual(self, penalty: float, taught: NDArray[np.bool_]) -> NDArray[np.float64]:
        gram = self._gram[np.ix_(taught, taught)]
        gram[np.diag_indices(len(gram))] += penalty * self._unit
        found: NDArray[np.float64] = np.linalg.solve(gram, self._targets[taught])
        return found


def _pooled(clips: TaughtClips, numbers: NDArray[np.int64], patch: int) -> Floats:
    """Return the means of the patches of some clips (B, T, values)."""
    found = clips.features(numbers)
    b, t, c, h, w = found.shape
    cut = found.reshape(b, t, c, h // patch, patch, w // patch, patch)
    return cut.mean((4, 6)).reshape(b, t, -1)


def _lags(frames: int) -> list[int]:
    return sorted({min(lag, frames - 1) for lag in _LAGS} - {0})


def _changes(pooled: Floats) -> Floats:
    """Return the newest frame and its change since earlier ones (B, (1 + lags) * values)."""
    newest = pooled[:, -1]
    changes = [newest - pooled[:, -1 - lag] for lag in _lags(pooled.shape[1])]
    return np.concatenate([newest, *changes], 1)


def _of_frames(weight: Floats, frames: int) -> Floats:
    """Turn the weight of newest frame and changes into the weight of the frames."""
    parts = np.split(weight, 1 + len(_lags(frames)))
    of_frames = np.zeros((frames, *parts[0].shape), np.float32)
    of_frames[-1] = sum(parts)
    for lag, part in zip(_lags(frames), parts[1:], strict=True):
        of_frames[-1 - lag] -= part
    return of_frames.reshape(-1, weight.shape[1])


def _prior(sizes: Sequence[int]) -> NDArray[np.float64]:
    return np.concatenate([np.full(size, 1 / size) for size in sizes])


def _targets(labels: NDArray[np.int32], sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return 1 for the true text of each query and 0 for others, less their mean."""
    targets = []
    for size, of_query in zip(sizes, labels.T, strict=True):
        true = np.eye(size)[of_query] - 1 / size
        targets.append(true * (of_query != UNLABELLED)[:, None])
    return np.concatenate(targets, 1)


def _chosen(clips: TaughtClips, seed: int) -> NDArray[np.int64]:
    """Return the clips that are taken: all of them, or as many of each text as can be."""
    if len(clips) <= _MOST_CLIPS:
        return np.arange(len(clips))
    random = np.random.default_rng(seed)
    shares = clips.shares() * np.where(clips.plain, 3.0, 1.0)
    return np.sort(random.choice(len(clips), _MOST_CLIPS, replace=False, p=shares / shares.sum()))


def _folds(recording: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part that each clip is in (clips); a recording is in one part."""
    numbers, place = np.unique(recording, return_inverse=True)
    return place % min(_FOLDS, len(numbers))


def _read(
    clips: TaughtClips, readings: Sequence[Reading], folds: NDArray[np.int64], patch: int
) -> NDArray[np.float64]:
    """Return the evidence of every clip by the reading of its part."""
    weight = np.concatenate([reading.weight for reading in readings], 1)
    bias = np.concatenate([reading.bias for reading in readings])
    found = np.empty((len(clips), readings[0].weight.shape[1]))
    for start in range(0, len(clips), 64):
        numbers = np.arange(start, min(start + 64, len(clips)))
        pooled = _pooled(clips, numbers, patch).reshape(len(numbers), -1)
        all_parts = (pooled @ weight + bias).reshape(len(numbers), len(readings), -1)
        found[numbers] = all_parts[np.arange(len(numbers)), folds[numbers]]
    return found


def _sharpness(
    scores: NDArray[np.float64], clips: TaughtClips, sizes: Sequence[int]
) -> NDArray[np.float64]:
    """Return for each text the factor that makes its query's scores the likeliest logits."""
    factors, start = [], 0
    for size, labels in zip(sizes, clips.labels.T, strict=True):
        used = (labels != UNLABELLED) & clips.plain
        of_query, true = scores[used, start : start + size], labels[used]
        fits = [_log_likelihood(factor * of_query, true) for factor in _SHARPNESS]
        factors.append(np.full(size, _SHARPNESS[int(np.argmax(fits))]))
        start += size
    return np.concatenate(factors)


def _log_likelihood(logits: NDArray[np.float64], true: NDArray[np.int32]) -> float:
    """Return the mean log-likelihood, of which each text has an equal part."""
    shifted = logits - logits.max(1, keepdims=True)
    found = shifted[np.arange(len(true)), true] - np.log(np.exp(shifted).sum(1))
    return float(np.mean([found[true == text].mean() for text in np.unique(true)]))


def _recall(scores: NDArray[np.float64], clips: TaughtClips, sizes: Sequence[int]) -> float:
    return _mean_recall(scores, clips.labels, sizes, clips.plain)


def _mean_recall(
    scores: NDArray[np.float64],
    labels: NDArray[np.int32],
    sizes: Sequence[int],
    used: NDArray[np.bool_],
) -> float:
    """Return the mean recall over the texts of all queries."""
    recalls, start = [], 0
    for size, of_query in zip(sizes, labels.T, strict=True):
        found = scores[:, start : start + size].argmax(1)
        for text in range(size):
            there = used & (of_query == text)
            if there.any():
                recalls.append(float((found[there] == text).mean()))
        start += size
    return float(np.mean(recalls))
