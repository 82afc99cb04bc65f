# SPDX-License-Identifier: Apache-2.0
"""How well the moments at which a method speaks agree with the true changes of a stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ChangeCounts:
    """Changes that were found. Counts of several streams may be added.

    Attributes:
        matched: pairs of a true and a found change.
        found: changes that the method reports.
        true: changes that there are.
    """

    matched: int
    found: int
    true: int

    def __add__(self, other: ChangeCounts) -> ChangeCounts:
        return ChangeCounts(
            self.matched + other.matched, self.found + other.found, self.true + other.true
        )

    @property
    def precision(self) -> float:
        """The part (0..1) of the reports that are true; nan without reports."""
        return _part(self.matched, self.found)

    @property
    def recall(self) -> float:
        """The part (0..1) of the true changes that are reported; nan without changes."""
        return _part(self.matched, self.true)

    @property
    def f1(self) -> float:
        """The harmonic mean of both; nan without reports and changes."""
        return _part(2 * self.matched, self.found + self.true)


def count_changes(true: ArrayLike, found: ArrayLike, tolerance: int) -> ChangeCounts:
    """Match true and found changes one to one, if at most ``tolerance`` frames lie between.

    Both are walked through in the order of time, and each true change takes the first report in
    its reach that is left. As all reach equally far, no other way makes more pairs.

    Args:
        true: frames at which a new state begins, ascending.
        found: frames at which the method reports one, ascending.
        tolerance: frames, at least 0.
    """
    changes, reports = np.asarray(true).tolist(), np.asarray(found).tolist()
    matched = i = j = 0
    while i < len(changes) and j < len(reports):
        late = reports[j] - changes[i]
        matched += abs(late) <= tolerance
        i += late >= -tolerance
        j += late <= tolerance
    return ChangeCounts(matched, len(reports), len(changes))


def detection_delays(true: ArrayLike, found: ArrayLike, early: int = 0) -> NDArray[np.float64]:
    """Return how many frames after each true change the first report comes.

    A report belongs to the newest change that began by then. If a change is hard to date to the
    frame, reports up to ``early`` frames before it are its own too; their delays are negative.

    Args:
        true: (C) frames at which a new state begins, ascending.
        found: frames of the reports that count, ascending: all, or those with the right text.
        early: frames, at least 0.

    Returns:
        (C) delays in frames; nan for a change without a report before the next one.
    """
    changes = np.asarray(true, dtype=np.float64)
    reports = np.append(np.asarray(found, dtype=np.float64), np.inf)
    first = reports[np.searchsorted(reports, changes - early)]
    following = np.append(changes[1:], np.inf) - early
    return np.where(first < following, first - changes, np.nan)


@dataclass(frozen=True)
class DelaySummary:
    """Part (0..1) of the changes that were found; median and 90th percentile of their delays."""

    found: float
    p50: float
    p90: float

    @classmethod
    def of(cls, delays: ArrayLike) -> DelaySummary:
        """Sum up delays of :func:`detection_delays`, in any unit; nan if nothing was found."""
        values = np.asarray(delays, dtype=np.float64)
        known = values[~np.isnan(values)]
        p50, p90 = np.percentile(known, [50, 90]) if known.size else (np.nan, np.nan)
        return cls(_part(known.size, values.size), float(p50), float(p90))


def _part(some: int, whole: int) -> float:
    return some / whole if whole else float("nan")
