# SPDX-License-Identifier: Apache-2.0
"""How many times fewer decodes a method needs for the quality that another one has.

A method is run at several settings of its rate, on the same episodes as the others. Between
settings quality is taken to be linear in the logarithm of the rate, as in the paper's Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """What a resampled figure lies between with 95 % of the resamples."""

    low: float
    high: float


@dataclass(frozen=True)
class Sweep:
    """Sums of a method at S settings over each of E episodes.

    Attributes:
        decodes: (S, E) outputs.
        quality: (S, E) summed quality of the annotations.
        seconds: (E) lengths of the episodes.
        annotations: (E) how many annotations each has.
    """

    decodes: NDArray[np.float64]
    quality: NDArray[np.float64]
    seconds: NDArray[np.float64]
    annotations: NDArray[np.float64]

    def at(self, setting: int) -> Sweep:
        """Return this method at one setting."""
        one = slice(setting, setting + 1)
        return Sweep(self.decodes[one], self.quality[one], self.seconds, self.annotations)

    def curve(
        self, times: ArrayLike | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rates in decodes per second and mean qualities, each (..., S).

        Args:
            times: (..., E) how often each episode counts; once by default.
        """
        weights = np.ones(len(self.seconds)) if times is None else np.asarray(times)
        seconds = (weights @ self.seconds)[..., np.newaxis]
        annotations = (weights @ self.annotations)[..., np.newaxis]
        return weights @ self.decodes.T / seconds, weights @ self.quality.T / annotations


def equal_quality_rate(
    rates: ArrayLike, quality: ArrayLike, target: ArrayLike
) -> NDArray[np.float64]:
    """Return the lowest rate at which curves reach a quality.

    Args:
        rates: (..., S) above 0, in any order.
        quality: (..., S) at these rates.
        target: (...) quality to be reached.

    Returns:
        (...) rates. The lowest one of the curve, if even that suffices; nan if none does.

    Raises:
        ValueError: a rate is not above 0.
    """
    given, wanted = np.asarray(rates, dtype=np.float64), np.asarray(target)[..., np.newaxis]
    if not (given > 0).all():
        raise ValueError("rates must be above 0")
    order = np.argsort(given, axis=-1, kind="stable")
    x = np.log(np.take_along_axis(given, order, axis=-1))
    y = np.take_along_axis(np.asarray(quality, dtype=np.float64), order, axis=-1)
    reached = y >= wanted
    first = reached.argmax(axis=-1, keepdims=True)
    before = np.maximum(first - 1, 0)
    (x0, y0), (x1, y1) = (
        (np.take_along_axis(x, at, axis=-1), np.take_along_axis(y, at, axis=-1))
        for at in (before, first)
    )
    part = np.divide(wanted - y0, y1 - y0, out=np.zeros_like(x0), where=y0 < y1)
    return np.where(reached.any(axis=-1), np.exp(x0 + part * (x1 - x0))[..., 0], np.nan)


def reduction_factor(reference: Sweep, method: Sweep) -> float:
    """Return how many times fewer decodes ``method`` needs than ``reference`` at its quality.

    At least that many times, if even the method's lowest rate suffices.

    Args:
        reference: at one setting.
        method: at all settings that it was run with.

    Returns:
        The factor; nan if no setting of the method is as good.
    """
    return float(_factors(reference, method, np.ones(len(reference.seconds))))


def reduction_interval(reference: Sweep, method: Sweep, resamples: int = 10_000) -> Interval:
    """Return the bootstrap percentile interval of :func:`reduction_factor` over episodes.

    Whole episodes are drawn with replacement, the same for both methods: what lies within one
    depends on each other. If a resample never reaches the quality, its factor counts as 0.
    """
    episodes = len(reference.seconds)
    chances = np.full(episodes, 1 / episodes)
    drawn = np.random.default_rng(0).multinomial(episodes, chances, size=resamples)
    factors = np.nan_to_num(_factors(reference, method, drawn), nan=0.0)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(factors, [tail, 100 - tail])
    return Interval(float(low), float(high))


def _factors(reference: Sweep, method: Sweep, times: NDArray[np.generic]) -> NDArray[np.float64]:
    rates, quality = reference.curve(times)
    if rates.shape[-1] != 1:
        raise ValueError(f"the reference has {rates.shape[-1]} settings: pick one with at()")
    return rates[..., 0] / equal_quality_rate(*method.curve(times), quality[..., 0])
