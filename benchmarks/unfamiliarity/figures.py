# SPDX-License-Identifier: Apache-2.0
"""The measures: alarms per clip and per stream, what is still spoken of, and calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.stream.hysteresis import Hysteresis

FALSE_ALARMS = 0.01
AFTER_S = BACK_AFTER_S = 1.0  # of the hysteresis, the nodes' own
_BINS = 10

Floats = NDArray[np.float64]


def auroc(familiar: ArrayLike, strange: ArrayLike) -> float:
    """Return how often a strange clip has a larger value than a familiar one; half for ties."""
    low, high = np.sort(np.asarray(familiar, float)), np.asarray(strange, float)
    below = np.searchsorted(low, high, "left") + np.searchsorted(low, high, "right")
    return float(below.mean() / (2 * len(low)))


def threshold_of(values: ArrayLike) -> float:
    """Return what the given share of values are above: one in a hundred."""
    return float(np.quantile(np.asarray(values, float), 1 - FALSE_ALARMS))


def time_flagged(streams: Sequence[tuple[NDArray[np.int64], Floats]], threshold: float) -> Floats:
    """Return the share of each stream's clips that the hysteresis calls unfamiliar (n).

    Args:
        streams: stamps in nanoseconds and values of the clips of each.
        threshold: above which a clip is strange.

    A stream that begins strange is unfamiliar from its first clip on: the second that passes until
    that is known is the price of the hysteresis, not of the alarm, and so it is left out.
    """
    shares = []
    for stamps, values in streams:
        state = Hysteresis(AFTER_S, BACK_AFTER_S)
        on = [state.add(int(t), bool(v > threshold)) for t, v in zip(stamps, values, strict=True)]
        known = (stamps - stamps[0]) / 1e9 >= AFTER_S
        if known.any():
            shares.append(np.mean(np.array(on)[known]))
    return np.array(shares)


def risk_coverage(values: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    """Return shares of clips that are spoken of, the most familiar first, and how many are right.

    Args:
        values: unfamiliarity, or anything that grows with it (n).
        right: whether the answer is right (n).
    """
    order = np.argsort(np.asarray(values), kind="stable")
    hits = np.cumsum(np.asarray(right, float)[order])
    counts = np.arange(1, len(order) + 1)
    return counts / len(order), hits / counts


def calibration_error(scores: ArrayLike, right: ArrayLike) -> float:
    """Return the expected calibration error: mean gap of score and accuracy, in ten bins."""
    values, hits = np.asarray(scores, float), np.asarray(right, float)
    places = np.minimum((values * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(values[inside].mean() - hits[inside].mean()) * inside.mean()
        for inside in (places == place for place in range(_BINS))
        if inside.any()
    ]
    return float(np.sum(gaps))
