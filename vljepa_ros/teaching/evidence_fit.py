# SPDX-License-Identifier: Apache-2.0
"""The linear reading of a clip, in closed form: ridge regression on what the trunk saw.

What is read are the patches of a clip's newest frame and their change since its earlier frames.
How strong the penalty must be, and how far the result can be trusted, shows on recordings that
were left out in turn: that is also what the transformer learns beside, for it must mend the
mistakes that the reading makes on new recordings and not those that it makes on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.taught_clips import TaughtClips
from vljepa_ros.teaching.taught_recording import UNLABELLED

Floats = NDArray[np.float32]

_PENALTIES = (0.3, 1.0, 3.0, 10.0)
_USUAL_PENALTY, _USUAL_SHARPNESS = 1.0, 5.0  # if nothing can be left out to find them
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
        left_out: for each part of the recordings, a reading that was not taught on it; the same
            as ``reading`` if there is one recording only.
        accuracy: mean recall of these on what they do not know, in recordings as they are.
    """

    reading: Reading
    left_out: tuple[Reading, ...]
    accuracy: float

    def honest(self, clips: TaughtClips, patch: int) -> Floats:
        """Return the evidence of every taught clip (clips, texts), by who does not know it."""
        return _read(clips, self.left_out, _folds(clips.recording), patch).astype(np.float32)


def fit_evidence(clips: TaughtClips, sizes: Sequence[int], patch: int) -> EvidenceFit:
    """Find the reading of some clips.

    Args:
        clips: what is taught, of the frames that are read only.
        sizes: how many texts each query has.
        patch: side of the patches whose means are read.
    """
    chosen = _chosen(clips)
    ridge = _Ridge(clips, chosen, sizes, patch)
    folds = _folds(clips.recording)[chosen]
    everything = np.ones(len(chosen), bool)
    if not folds.max():  # one recording: nothing is left out
        reading = ridge.reading(_USUAL_PENALTY, everything, np.full(sum(sizes), _USUAL_SHARPNESS))
        return EvidenceFit(reading, (reading,), float("nan"))
    scores = {penalty: ridge.left_out_scores(penalty, folds) for penalty in _PENALTIES}
    recalls = {penalty: ridge.recall(found) for penalty, found in scores.items()}
    best = max(recalls, key=lambda penalty: recalls[penalty])
    sharpness = ridge.sharpness(scores[best])
    left_out = [ridge.reading(best, folds != fold, sharpness) for fold in range(folds.max() + 1)]
    reading = ridge.reading(best, everything, sharpness)
    return EvidenceFit(reading, tuple(left_out), recalls[best])


class _Ridge:
    """Ridge regression in its dual form: few clips, many values."""

    def __init__(
        self,
        clips: TaughtClips,
        chosen: NDArray[np.int64],
        sizes: Sequence[int],
        patch: int,
    ) -> None:
        labels, self._frames = clips.labels[chosen], len(clips.shape.lags)
        self._plain, self._labels, self._sizes = clips.plain[chosen], labels, sizes
        parts = [
            _changes(pooled_clips(clips, chosen[i : i + 64], patch))
            for i in range(0, len(chosen), 64)
        ]
        values = np.concatenate(parts)
        self._mean = values.mean(0)
        self._spread = values.std(0) + 1e-3 * values.std()
        self._values = (values - self._mean) / self._spread
        shares = clips.shares()[chosen]
        self._root: NDArray[np.float64] = np.sqrt(shares / shares.mean())[:, None]
        scaled = self._values * self._root.astype(np.float32)
        self._gram: NDArray[np.float64] = (scaled @ scaled.T).astype(np.float64)
        self._unit = float(np.trace(self._gram)) / len(chosen)
        self._targets = _targets(labels, sizes) * self._root

    def left_out_scores(self, penalty: float, folds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of all clips (clips, texts), each taught on the other parts."""
        scores = np.zeros(self._targets.shape)
        for fold in range(folds.max() + 1):
            left_out, taught = folds == fold, folds != fold
            found = self._gram[np.ix_(left_out, taught)] @ self._dual(penalty, taught)
            scores[left_out] = found / self._root[left_out]
        return scores + _prior(self._sizes)

    def recall(self, scores: NDArray[np.float64]) -> float:
        """Return the mean recall of scores in recordings as they are."""
        return _mean_recall(scores, self._labels, self._sizes, self._plain)

    def sharpness(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each text the factor that makes its query's scores the likeliest logits."""
        factors, start = [], 0
        for size, labels in zip(self._sizes, self._labels.T, strict=True):
            used = (labels != UNLABELLED) & self._plain
            of_query = scores[used, start : start + size]
            fits = [_log_likelihood(factor * of_query, labels[used]) for factor in _SHARPNESS]
            factors.append(np.full(size, _SHARPNESS[int(np.argmax(fits))]))
            start += size
        return np.concatenate(factors)

    def reading(
        self, penalty: float, taught: NDArray[np.bool_], sharpness: NDArray[np.float64]
    ) -> Reading:
        """Return the map of pooled clips that some of the clips teach; its scores are logits."""
        dual = self._dual(penalty, taught) * self._root[taught]
        weight = (self._values[taught].T @ dual.astype(np.float32)) / self._spread[:, None]
        bias = _prior(self._sizes) - self._mean @ weight
        of_frames = _of_frames(weight, self._frames)
        return Reading(
            (of_frames * sharpness).astype(np.float32), (bias * sharpness).astype(np.float32)
        )

    def _dual(self, penalty: float, taught: NDArray[np.bool_]) -> NDArray[np.float64]:
        gram = self._gram[np.ix_(taught, taught)]
        gram[np.diag_indices(len(gram))] += penalty * self._unit
        found: NDArray[np.float64] = np.linalg.solve(gram, self._targets[taught])
        return found


def pooled_clips(clips: TaughtClips, numbers: NDArray[np.int64], patch: int) -> Floats:
    """Return the means of the patches of some clips (B, T, values)."""
    found = clips.features(numbers)
    b, t, c, h, w = found.shape
    cut = found.reshape(b, t, c, h // patch, patch, w // patch, patch)
    return cut.mean((4, 6)).reshape(b, t, -1)


def _changes(pooled: Floats) -> Floats:
    """Return the changes up to the newest frame, and that frame (B, frames * values)."""
    newest = pooled[:, -1:]
    return np.concatenate([newest - pooled[:, :-1], newest], 1).reshape(len(pooled), -1)


def _of_frames(weight: Floats, frames: int) -> Floats:
    """Turn the weight of changes and newest frame into the weight of the frames."""
    *changes, newest = np.split(weight, frames)
    return np.concatenate([*(-change for change in changes), newest + sum(changes)])


def _prior(sizes: Sequence[int]) -> NDArray[np.float64]:
    return np.concatenate([np.full(size, 1 / size) for size in sizes])


def _targets(labels: NDArray[np.int32], sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return 1 for the true text of each query and 0 for others, less their mean."""
    targets = []
    for size, of_query in zip(sizes, labels.T, strict=True):
        true = np.eye(size)[of_query] - 1 / size
        targets.append(true * (of_query != UNLABELLED)[:, None])
    return np.concatenate(targets, 1)


def _chosen(clips: TaughtClips) -> NDArray[np.int64]:
    """Return the clips that are taken: all of them, or as many of each text as can be."""
    if len(clips) <= _MOST_CLIPS:
        return np.arange(len(clips))
    random = np.random.default_rng(0)
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
        pooled = pooled_clips(clips, numbers, patch).reshape(len(numbers), -1)
        all_parts = (pooled @ weight + bias).reshape(len(numbers), len(readings), -1)
        found[numbers] = all_parts[np.arange(len(numbers)), folds[numbers]]
    return found


def _log_likelihood(logits: NDArray[np.float64], true: NDArray[np.int32]) -> float:
    """Return the mean log-likelihood, of which each text has an equal part."""
    shifted = logits - logits.max(1, keepdims=True)
    found = shifted[np.arange(len(true)), true] - np.log(np.exp(shifted).sum(1))
    return float(np.mean([found[true == text].mean() for text in np.unique(true)]))


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
