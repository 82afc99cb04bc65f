# SPDX-License-Identifier: Apache-2.0
"""How unlike the clips that a model was made for a clip looks.

A network answers whatever it is shown, and neither its probabilities nor its cosines say that it
has never seen anything like it. Its visual features do: those of known clips lie close together.
So a bundle keeps their mean and covariance, and a clip's Mahalanobis distance from them is
compared with those of the known recordings: of the strangest clip of each, from a mean and
covariance that the recording took no part in. A clip that is farther than the strangest clips of
99 of 100 known recordings has an unfamiliarity of 0.99, whatever the model.

Recordings are compared, not clips, because what is strange about a recording, its light or a
colour, is strange about all its clips: else a known recording in a hundred would be doubted from
its beginning to its end.

Known clips of great variety, such as simulated ones with random looks, leave nearly nothing
strange. Then foreign clips help: some of scenes about which the model has nothing to say. The
direction in which they lie (Fisher's linear discriminant) is a second measure of the same kind,
and the larger of the two unfamiliarities counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.bundle_files import EXPORT_AGAIN
from vljepa_ros.runtime.stored_arrays import parse_npz

LEAST_RECORDINGS, LEAST_CLIPS = 5, 100
"""Fewer known clips say nothing about the one that comes next; so do fewer foreign ones."""

_FOLDS = 5  # a fifth of the recordings is held back at a time, to set the scale
_SHRINK = 0.05  # of the covariance toward its mean diagonal: few clips do not span all directions
_SCALE = 1000  # distances that the scale is told with, at most
_ARRAYS = ("mean", "precision", "scale")
_FOREIGN_ARRAYS = ("foreign", "foreign_scale")
_Floats = NDArray[np.float32]


def _nothing() -> _Floats:
    return np.zeros(0, np.float32)


class TooFewClipsError(ValueError):
    """There are too few known clips for statistics; the message says how many are needed."""


@dataclass(frozen=True)
class KnownClips:
    """Statistics of the features of known clips.

    Attributes:
        mean: of their features (F).
        precision: inverse of the covariance of their features (F, F).
        scale: distance of the strangest clip of each known recording while it was held back (n),
            in ascending order.
        foreign: direction (F) along which known clips are 0 and foreign ones 1, in the mean; empty
            if there were no foreign clips.
        foreign_scale: how far along it each known recording reaches, in the manner of ``scale``.
    """

    mean: _Floats
    precision: _Floats
    scale: _Floats
    foreign: _Floats = field(default_factory=_nothing)
    foreign_scale: _Floats = field(default_factory=_nothing)

    @classmethod
    def none(cls) -> KnownClips:
        """Return what a bundle without statistics knows: nothing."""
        return cls(_nothing(), np.zeros((0, 0), np.float32), _nothing())

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> KnownClips:
        """Read the statistics of a bundle; :meth:`none` if it has none.

        Raises:
            BundleError: the file does not verify, or holds something else.
        """
        name = bundle.known_clips
        if name is None:
            return cls.none()
        try:
            most = bundle.files[name].bytes * 4
            # older bundles know of no foreign clips
            known = cls(**parse_npz(bundle.read(name), _ARRAYS, most, _FOREIGN_ARRAYS))
            known._check()
        except ValueError as error:
            cause = f"holds no statistics of known clips ({error})"
            raise BundleError(bundle.root / name, cause, EXPORT_AGAIN) from error
        return known

    @classmethod
    def fit(
        cls, recordings: Mapping[str, ArrayLike], foreign: ArrayLike | None = None
    ) -> KnownClips:
        """Compute the statistics.

        Args:
            recordings: features (n, F) of the clips of each recording, by its name. Clips of one
                recording resemble each other, so whole recordings are held back, a fifth of them
                at a time.
            foreign: features (n, F) of clips about which the model has nothing to say.

        Raises:
            TooFewClipsError: there are fewer than :data:`LEAST_RECORDINGS` recordings or
                :data:`LEAST_CLIPS` clips, or fewer foreign ones.
        """
        parts = [np.asarray(recordings[name], np.float64) for name in sorted(recordings)]
        others = None if foreign is None else np.asarray(foreign, np.float64)
        _check_enough(parts, others)
        fold_of = np.random.default_rng(0).permutation(len(parts)) % min(_FOLDS, len(parts))
        farthest = np.concatenate(
            [_held_back_farthest(parts, others, fold_of == fold) for fold in np.unique(fold_of)]
        )
        known = _without_scale(np.concatenate(parts), others)
        scale, foreign_scale = (_scale(column) for column in farthest.T)
        if others is None:
            foreign_scale = _nothing()
        return replace(known, scale=scale, foreign_scale=foreign_scale)

    @property
    def are_there(self) -> bool:
        """Whether there are statistics."""
        return self.mean.size > 0

    def takes(self, features: _Floats) -> bool:
        """Whether features (F) are those that the statistics are about."""
        return not self.are_there or features.shape == self.mean.shape

    def of(self, features: _Floats) -> float:
        """Return the unfamiliarity of a clip.

        Args:
            features: of the clip (F), as :mod:`.scene_features` describes.

        Returns:
            The share, 0..1, of known recordings that show nothing as strange. NaN if there are no
            statistics or the features are not finite.
        """
        if not self.are_there:
            return math.nan
        distance = self.distance(features)
        if math.isnan(distance):
            return math.nan
        share = int(np.searchsorted(self.scale, distance)) / len(self.scale)
        if not self.foreign.size:
            return share
        toward = np.searchsorted(self.foreign_scale, self.toward_foreign(features))
        return max(share, int(toward) / len(self.foreign_scale))

    def distance(self, features: ArrayLike) -> float:
        """Return the squared Mahalanobis distance of features (F) from those of known clips."""
        away = np.asarray(features, np.float32) - self.mean
        return float(away @ self.precision @ away)

    def toward_foreign(self, features: ArrayLike) -> float:
        """Return how far features (F) lie toward foreign clips: 0 are known ones, 1 foreign ones.

        It is 0 if there were no foreign clips.
        """
        if not self.foreign.size:
            return 0.0
        return float((np.asarray(features, np.float32) - self.mean) @ self.foreign)

    def save(self, file: Path) -> None:
        """Write the arrays, compressed without loss."""
        arrays = {name: getattr(self, name) for name in (*_ARRAYS, *_FOREIGN_ARRAYS)}
        np.savez_compressed(file, **arrays)

    def _check(self) -> None:
        width = len(self.mean) if self.mean.ndim == 1 else -1
        shapes = (self.mean.shape, self.precision.shape)
        if shapes != ((width,), (width, width)) or self.scale.ndim != 1 or not self.scale.size:
            raise ValueError(f"shapes {shapes} and {self.scale.shape} do not go together")
        if self.foreign.shape not in ((width,), (0,)) or self.foreign_scale.ndim != 1:
            raise ValueError(f"foreign clips of shape {self.foreign.shape}")
        if bool(self.foreign.size) != bool(self.foreign_scale.size):
            raise ValueError("foreign and foreign_scale do not go together")
        for name in (*_ARRAYS, *_FOREIGN_ARRAYS):
            array = getattr(self, name)
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite float32")
        for name in ("scale", "foreign_scale"):
            if (np.diff(getattr(self, name)) < 0).any():
                raise ValueError(f"{name} must ascend")


def by_recording(rows: Iterable[tuple[str, ArrayLike]]) -> dict[str, _Floats]:
    """Return the features (n, F) of each recording.

    Args:
        rows: a recording and the features (F) of one of its clips.
    """
    groups: dict[str, list[_Floats]] = {}
    for recording, features in rows:
        groups.setdefault(recording, []).append(np.asarray(features, np.float32))
    return {recording: np.stack(part) for recording, part in groups.items()}


def _check_enough(
    parts: Sequence[NDArray[np.float64]], foreign: NDArray[np.float64] | None
) -> None:
    clips = sum(map(len, parts))
    if len(parts) < LEAST_RECORDINGS or clips < LEAST_CLIPS:
        raise TooFewClipsError(
            f"{clips} clips of {len(parts)} recordings are too few to know what is familiar: "
            f"give at least {LEAST_CLIPS} clips of {LEAST_RECORDINGS} recordings"
        )
    if foreign is not None and len(foreign) < LEAST_CLIPS:
        raise TooFewClipsError(f"{len(foreign)} foreign clips are too few: give {LEAST_CLIPS}")


def _held_back_farthest(
    parts: Sequence[NDArray[np.float64]],
    foreign: NDArray[np.float64] | None,
    held_back: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return how far the strangest clip of each of some recordings is from the others (n, 2).

    The second number is how far the one that is most like foreign clips lies toward them.
    """
    used = [part for part, out in zip(parts, held_back, strict=True) if not out]
    known = _without_scale(np.concatenate(used), foreign)
    out = [part for part, out in zip(parts, held_back, strict=True) if out]
    return np.array(
        [
            (
                max(known.distance(row) for row in part),
                max(known.toward_foreign(row) for row in part),
            )
            for part in out
        ]
    )


def _without_scale(rows: NDArray[np.float64], foreign: NDArray[np.float64] | None) -> KnownClips:
    """Return the statistics of rows (n, F) but for the scales."""
    mean, precision = _mean_and_precision(rows)
    direction = _nothing() if foreign is None else _discriminant(rows, foreign)
    return KnownClips(mean, precision, _nothing(), direction)


def _scale(farthest: NDArray[np.float64]) -> _Floats:
    """Return numbers in ascending order, some of them if there are many."""
    places = np.linspace(0, len(farthest) - 1, min(_SCALE, len(farthest)))
    scale: _Floats = np.sort(farthest)[np.round(places).astype(int)].astype(np.float32)
    return scale


def _mean_and_precision(rows: NDArray[np.float64]) -> tuple[_Floats, _Floats]:
    """Return the mean (F) of rows (n, F), and the inverse of their covariance (F, F).

    The covariance is shrunk, so that there is an inverse.
    """
    precision = np.linalg.inv(_shrunk(_covariance(rows)))
    return rows.mean(axis=0).astype(np.float32), precision.astype(np.float32)


def _discriminant(rows: NDArray[np.float64], foreign: NDArray[np.float64]) -> _Floats:
    """Return Fisher's discriminant (F): 0 at the mean of rows, 1 at that of foreign ones."""
    between = foreign.mean(axis=0) - rows.mean(axis=0)
    within = _shrunk((_covariance(rows) + _covariance(foreign)) / 2)
    direction = np.linalg.solve(within, between)
    length = float(between @ direction)  # 0 if nothing tells them apart
    return (direction / length if length > 0 else direction).astype(np.float32)


def _covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.atleast_2d(np.cov(rows, rowvar=False))


def _shrunk(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    least = float(np.finfo(np.float32).tiny)  # so that features that never vary have an inverse
    mean = max(float(np.trace(covariance)) / len(covariance), least)
    return (1 - _SHRINK) * covariance + _SHRINK * mean * np.eye(len(covariance))
