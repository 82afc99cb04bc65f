# SPDX-License-Identifier: Apache-2.0
"""The rank of the right candidate, and the measures that follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rank_of(scores: ArrayLike, right: ArrayLike) -> int:
    """Return the rank of the best right candidate; 1 is the top.

    Wrong candidates with an equal score count as better: a model that tells nothing apart has
    earned nothing.

    Args:
        scores: (N), higher is better.
        right: (N), true for candidates that are right; at least one is.
    """
    values, good = np.asarray(scores), np.asarray(right, dtype=bool)
    return 1 + int((values[~good] >= values[good].max()).sum())


def hit_rate(ranks: ArrayLike, top: int) -> float:
    """Return the part (0..1) of ``ranks`` (N) that are among the first ``top``."""
    return float((np.asarray(ranks) <= top).mean())


def mean_per_class(hits: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean over the classes of the part (0..1) of each class that was hit.

    Args:
        hits: (N), true for predictions that were right.
        labels: (N), the true classes, as numbers or texts.
    """
    values, classes = np.asarray(hits, dtype=np.float64), np.asarray(labels)
    return float(np.mean([values[classes == one].mean() for one in np.unique(classes)]))


def percent(part: float) -> float:
    """Return ``part`` (0..1) in percent."""
    return 100.0 * part


def majority(labels: ArrayLike) -> float:
    """Return the part (0..1) of ``labels`` (N) that the most frequent one has."""
    counts: NDArray[np.intp] = np.unique(np.asarray(labels), return_counts=True)[1]
    return float(counts.max() / counts.sum())
