# SPDX-License-Identifier: Apache-2.0
"""The paper's online rule: decode when the variance within a local window exceeds a threshold.

The paper (section 2) says no more than this, and evaluates it nowhere. Ours are: the window holds
the last frames only, so that the rule is causal; and a decode happens when the threshold is passed
upwards, after which the variance must fall below half of it before the next one, so that one
change, which is within the window for its whole length, is one decode.

The threshold sets the rate: lower, more decodes, until the variance no longer falls below half of
it between changes. From there on still lower thresholds decode less.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

RELEASE = 0.5  # part of the threshold below which the next decode becomes possible


def window_variances(embeddings: ArrayLike, window: int) -> NDArray[np.float64]:
    """Return the mean squared distance of the last frames from their mean, at each frame.

    Args:
        embeddings: (T, dimension).
        window: frames in a window, at least two; at the start there are fewer.

    Returns:
        (T) variances; 0 for the first frame.

    Raises:
        ValueError: the window is too short.
    """
    if window < 2:
        raise ValueError(f"one frame has no variance: a window of {window} is too short")
    rows = np.asarray(embeddings, dtype=np.float64)
    sizes = np.minimum(np.arange(1, len(rows) + 1), window)
    means = _sums_of_last(rows, window) / sizes[:, np.newaxis]
    squares = _sums_of_last((rows**2).sum(axis=1, keepdims=True), window)[:, 0] / sizes
    variances: NDArray[np.float64] = np.maximum(0.0, squares - (means**2).sum(axis=1))
    return variances


def window_variance_starts(variances: ArrayLike, threshold: float) -> NDArray[np.intp]:
    """Return the frames at which to decode: 0, and those at which the variance becomes too large.

    Args:
        variances: (T) of :func:`window_variances`.
        threshold: variance above which a change is seen, above 0.

    Raises:
        ValueError: the threshold is not above 0.
    """
    if not threshold > 0:
        raise ValueError(f"the threshold must be above 0, not {threshold}")
    values = np.asarray(variances, dtype=np.float64)
    above, below = values > threshold, values < RELEASE * threshold
    decided = np.where(above | below, np.arange(len(values)), 0)
    excursion = above[np.maximum.accumulate(decided)]  # between the levels it stays as it was
    return np.append(0, np.flatnonzero(excursion[1:] & ~excursion[:-1]) + 1)


def _sums_of_last(rows: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = np.cumsum(rows, axis=0)
    sums[window:] -= sums[:-window]
    return sums
