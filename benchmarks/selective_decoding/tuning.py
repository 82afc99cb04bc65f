# SPDX-License-Identifier: Apache-2.0
"""Which setting of a knob gives a rate: found on some streams, to be used on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

TRIED_FIRST = 9
CLOSE_ENOUGH = 0.05  # relative
_STEPS = 5


def settings_for(
    rates: Sequence[float], rate_at: Callable[[float], float], low: float, high: float
) -> list[float]:
    """Return for each rate the setting that comes closest to it.

    A few settings from ``low`` to ``high`` are tried. From the one with the highest rate on,
    rates fall; the two between which a rate lies are brought together by interpolation, and all
    that was tried serves the next rate. A rate out of reach gets the nearest that there is.

    Args:
        rates: wanted decodes per second, above 0.
        rate_at: what a setting leads to, above 0.
        low: lowest setting, above 0.
        high: highest setting.
    """
    tried = {knob: rate_at(knob) for knob in np.geomspace(low, high, TRIED_FIRST).tolist()}
    start = max(tried, key=lambda knob: tried[knob])
    tried = {knob: rate for knob, rate in tried.items() if knob >= start}
    for wanted in rates:
        for _ in range(_STEPS):
            between = _between(tried, wanted)
            if between is None:
                break
            tried[between] = rate_at(between)
    return [min(tried, key=lambda knob: abs(math.log(tried[knob] / rate))) for rate in rates]


def _between(tried: dict[float, float], wanted: float) -> float | None:
    """Return a setting to try next, or None if none would help."""
    if any(abs(rate / wanted - 1) <= CLOSE_ENOUGH for rate in tried.values()):
        return None
    above = [knob for knob, rate in tried.items() if rate > wanted]
    lower = max(above, default=0.0)
    below = [knob for knob in tried if knob > lower]
    if not above or not below:
        return None
    upper = min(below)
    part = math.log(tried[lower] / wanted) / math.log(tried[lower] / tried[upper])
    part = min(0.8, max(0.2, part))
    return math.exp((1 - part) * math.log(lower) + part * math.log(upper))
