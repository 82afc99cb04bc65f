# SPDX-License-Identifier: Apache-2.0
"""Equal quality with fewer decodes, and how sure that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.selective_decoding.reduction import (
    Sweep,
    equal_quality_rate,
    reduction_factor,
    reduction_interval,
)

RATES = np.array([0.1, 1.0, 10.0])


def drawn(seed: int, episodes: int = 30) -> Sweep:
    """Return a method whose quality grows with its rate, on episodes that differ."""
    rng = np.random.default_rng(seed)
    seconds = rng.uniform(20, 60, episodes)
    annotations = rng.integers(5, 15, episodes).astype(float)
    decodes = np.ceil(np.outer([0.1, 0.3, 1.0, 2.0], seconds))
    quality = np.outer([1.0, 2.0, 3.0, 3.5], annotations) * rng.uniform(0.5, 1.5, episodes)
    return Sweep(decodes, quality, seconds, annotations)


def test_between_settings_quality_is_linear_in_the_logarithm_of_the_rate() -> None:
    found = equal_quality_rate(RATES, [1.0, 2.0, 4.0], 3.0)
    assert found == pytest.approx(10**0.5)
    targets = np.linspace(1, 4, 13)
    expected = np.exp(np.interp(targets, [1.0, 2.0, 4.0], np.log(RATES)))
    rows = np.tile(RATES, (13, 1))
    found = equal_quality_rate(rows, np.tile([1.0, 2.0, 4.0], (13, 1)), targets)
    np.testing.assert_allclose(found, expected)


def test_settings_may_come_in_any_order() -> None:
    assert equal_quality_rate(RATES[[2, 0, 1]], [4.0, 1.0, 2.0], 3.0) == pytest.approx(10**0.5)


def test_the_lowest_rate_that_reaches_the_quality_counts() -> None:
    assert equal_quality_rate(RATES, [1.0, 3.0, 2.0], 2.0) == pytest.approx(10**-0.5)


def test_a_quality_below_and_above_the_curve() -> None:
    assert equal_quality_rate(RATES, [1.0, 2.0, 4.0], 0.5) == pytest.approx(0.1)
    assert np.isnan(equal_quality_rate(RATES, [1.0, 2.0, 4.0], 4.1))


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        equal_quality_rate([0.0, 1.0], [1.0, 2.0], 1.5)


def test_rates_and_qualities_are_means_over_all_episodes() -> None:
    sweep = Sweep(
        decodes=np.array([[2.0, 4.0]]),
        quality=np.array([[6.0, 3.0]]),
        seconds=np.array([10.0, 50.0]),
        annotations=np.array([2.0, 1.0]),
    )
    rates, quality = sweep.curve()
    assert rates == pytest.approx([0.1]) and quality == pytest.approx([3.0])
    rates, quality = sweep.curve([[2, 0], [0, 2]])
    assert rates[:, 0] == pytest.approx([0.2, 0.08]) and quality[:, 0] == pytest.approx([3, 3])


def test_a_method_with_half_the_decodes_is_a_factor_of_two_in_every_resample() -> None:
    reference = drawn(0)
    method = replace(reference, decodes=reference.decodes / 2)
    assert reduction_factor(reference.at(2), method) == pytest.approx(2)
    assert reduction_interval(reference.at(2), method, 200) == pytest.approx((2, 2))


def test_the_interval_is_that_of_episodes_drawn_one_by_one() -> None:
    reference, rng = drawn(0), np.random.default_rng(7)
    method = replace(reference, quality=reference.quality * rng.uniform(1.0, 1.4, 30))
    factors = []
    for _ in range(2000):
        chosen = rng.integers(0, 30, 30)
        one, two = (
            Sweep(
                s.decodes[:, chosen],
                s.quality[:, chosen],
                s.seconds[chosen],
                s.annotations[chosen],
            )
            for s in (reference, method)
        )
        factors.append(reduction_factor(one.at(2), two))
    found = reduction_interval(reference.at(2), method, 2000)
    low, high = np.percentile(factors, [2.5, 97.5])
    assert found == pytest.approx((low, high), rel=0.04)
    assert 1 < low < 0.9 * high
    inside = np.mean((found.low <= np.array(factors)) & (np.array(factors) <= found.high))
    assert inside == pytest.approx(0.95, abs=0.02)


def test_a_quality_that_is_never_reached_is_no_reduction() -> None:
    reference = drawn(0)
    worse = replace(reference, quality=reference.quality / 10)
    assert np.isnan(reduction_factor(reference.at(2), worse))
    assert reduction_interval(reference.at(2), worse, 100) == (0, 0)


def test_a_reference_has_one_setting() -> None:
    with pytest.raises(ValueError, match="4 settings"):
        reduction_factor(drawn(0), drawn(0))
