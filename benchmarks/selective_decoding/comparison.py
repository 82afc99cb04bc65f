# SPDX-License-Identifier: Apache-2.0
"""How methods compare: decodes saved at equal quality, quality lost at an equal rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from benchmarks.selective_decoding.judge import Curve, Key
from benchmarks.selective_decoding.methods import UNIFORM, UNIFORM_POOLED
from benchmarks.selective_decoding.reduction import (
    Interval,
    Sweep,
    reduction_factor,
    reduction_interval,
)

REFERENCE_HZ = 1.0
FEWEST_DECODES = 30
WARD_HZ = (0.2, 2.0)  # rates at which the causal detector is held against Ward


class Reduction(NamedTuple):
    """How many times fewer decodes ``method`` needs than ``reference`` at 1 Hz."""

    method: str
    reference: str
    measure: str
    reading: str
    factor: float
    interval: Interval


class Loss(NamedTuple):
    """A relative difference in quality at equal rates; below 0 the method is worse."""

    relative: float
    rate_hz: float


def reductions(curves: Mapping[str, Curve]) -> list[Reduction]:
    """Compare every method with both kinds of uniform decoding, in every reading of both."""
    return [
        _reduction(curve, reference, key)
        for reference in (curves[UNIFORM], curves[UNIFORM_POOLED])
        for curve in curves.values()
        if curve is not reference
        for key in curve.sweeps
        if key in reference.sweeps
    ]


def _reduction(curve: Curve, reference: Curve, key: Key) -> Reduction:
    at_1_hz = reference.sweeps[key].at(list(reference.settings).index(REFERENCE_HZ))
    sweep = _often_enough(curve.sweeps[key])
    factor, interval = reduction_factor(at_1_hz, sweep), reduction_interval(at_1_hz, sweep)
    return Reduction(curve.name, reference.name, *key, factor, interval)


def _often_enough(sweep: Sweep) -> Sweep:
    """Leave out settings with so few outputs that resampled episodes may hold none of them."""
    outputs = sweep.decodes.sum(axis=1)
    kept = outputs >= min(FEWEST_DECODES, outputs.max())
    return replace(sweep, decodes=sweep.decodes[kept], quality=sweep.quality[kept])


def losses(method: Curve, reference: Curve, key: Key) -> list[Loss]:
    """Compare a method with a reference at those rates of the reference that both reach.

    Between its own rates, the method's quality is linear in the logarithm of the rate.
    """
    order = np.argsort(method.rates)
    rates, quality = method.rates[order], method.quality(key)[order]
    low, high = max(WARD_HZ[0], rates[0]), min(WARD_HZ[1], rates[-1])
    slack = 1 + 1e-2  # whole numbers of pieces miss a rate by a little
    common = (reference.rates * slack >= low) & (reference.rates <= high * slack)
    at, wanted = reference.rates[common], reference.quality(key)[common]
    relative = np.interp(np.log(at), np.log(rates), quality) / wanted - 1
    return [Loss(*pair) for pair in zip(relative.tolist(), at.tolist(), strict=True)]
