# SPDX-License-Identifier: Apache-2.0
"""How far the samples of a state are spread, and which cut would lower that most.

Ward's clustering joins the two neighbours whose union grows the sum of squared distances to the
mean least. That growth is w1 w2 / (w1 + w2) times the squared distance of both means; with times
as weights and half the squared distance it is a time.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LOOK_BACK = 60  # samples among which a cut is looked for; bounds memory and work
MEMORY_S = 3.0  # the baseline weighs no more than this time, however long it lasted


class Split(NamedTuple):
    """A cut of a state in two.

    Attributes:
        first: number of the recent sample after it.
        evidence_s: by how much it lowers the spread, in seconds of wholly different samples.
        old: mean (any) of the signals before it.
        new: mean (any) of the signals after it.
    """

    first: int
    evidence_s: float
    old: NDArray[np.float64]
    new: NDArray[np.float64]

    def is_new(self, signal: NDArray[np.float64]) -> bool:
        """Whether a signal (any) is nearer to the mean after the cut than to the one before it."""
        between = (self.old + self.new) / 2
        return float((signal - between) @ (self.new - self.old)) > 0


class Spread:
    """Sums of a state's signals, from which the spread on both sides of any cut follows.

    Every recent sample keeps the sums before it, so that a cut costs one subtraction.
    """

    def __init__(self, size: int) -> None:
        """Start without a sample; ``size`` is the dimension of the signals."""
        self._weight_s = 0.0
        self._total: NDArray[np.float64] = np.zeros(size)
        self._weights_before: deque[float] = deque(maxlen=LOOK_BACK)
        self._totals_before: deque[NDArray[np.float64]] = deque(maxlen=LOOK_BACK)
        self._baseline: NDArray[np.float64] = self._total
        self._baseline_s = math.inf

    @property
    def size(self) -> int:
        """Dimension of the signals."""
        return self._total.size

    def add(self, signal: NDArray[np.float64], weight_s: float) -> None:
        """Take the next sample (size), which stands for ``weight_s`` seconds."""
        self._weights_before.append(self._weight_s)
        self._totals_before.append(self._total)
        self._weight_s += weight_s
        self._total = self._total + weight_s * signal

    def best_split(self, confirmations: int) -> Split | None:
        """Return the cut that Ward would close last.

        Args:
            confirmations: least number of samples after it. Before it there is at least one.

        Returns:
            None if there are too few samples.
        """
        count = len(self._weights_before) + 1 - confirmations
        before = np.array(self._weights_before)[:count]
        first = int(np.searchsorted(before, 0.0, side="right"))  # something must lie before it
        if first >= count:
            return None
        before = before[first:]
        after = self._weight_s - before
        earlier = np.array(self._totals_before)[first:count]
        old, new = earlier / before[:, None], (self._total - earlier) / after[:, None]
        growth = (
            before * after / self._weight_s * 0.5 * np.einsum("kd,kd->k", new - old, new - old)
        )
        best = int(growth.argmax())
        return Split(first + best, float(growth[best]), old[best], new[best])

    def set_baseline(self) -> None:
        """Make the mean as it is now the baseline from which drift is measured."""
        self._baseline, self._baseline_s = self._total / self._weight_s, self._weight_s

    def drift_evidence_s(self, noise_s: float) -> float:
        """Return the evidence in seconds that the mean has drifted away from the baseline.

        Args:
            noise_s: the noise times the period. The baseline itself was off by that much; twice
                that explains nearly all of what happens by chance.
        """
        apart = self._total / self._weight_s - self._baseline
        explained = 2.0 * noise_s / self._baseline_s
        weight = self._weight_s * MEMORY_S / (self._weight_s + MEMORY_S)
        return weight * (0.5 * float(apart @ apart) - explained)

    def keep_after(self, index: int) -> None:
        """Forget the samples before the recent one of number ``index``."""
        weight_s, total = self._weights_before[index], self._totals_before[index]
        weights = [weight - weight_s for weight in self._weights_before][index:]
        totals = [before - total for before in self._totals_before][index:]
        self._weights_before = deque(weights, LOOK_BACK)
        self._totals_before = deque(totals, LOOK_BACK)
        self._weight_s, self._total = self._weight_s - weight_s, self._total - total

    def keep_mean(self) -> None:
        """Keep the mean of what was seen, without samples among which a change could be found."""
        scale = min(1.0, MEMORY_S / self._weight_s)
        self._weight_s, self._total = scale * self._weight_s, scale * self._total
        self._weights_before.clear()
        self._totals_before.clear()
