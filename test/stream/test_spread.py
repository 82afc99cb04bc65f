# SPDX-License-Identifier: Apache-2.0
"""Cuts of a state against sums of squares that numpy computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vljepa_ros.stream.spread import LOOK_BACK, MEMORY_S, Spread

Array = NDArray[np.float64]


def spread_of(signals: Array, weight_s: float = 0.1) -> Spread:
    spread = Spread(signals.shape[1])
    for signal in signals:
        spread.add(signal, weight_s)
    return spread


def squares(signals: Array) -> float:
    """Half the sum of squared distances to the mean."""
    return 0.5 * float(((signals - signals.mean(axis=0)) ** 2).sum())


@given(
    st.lists(
        st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=2), min_size=2, max_size=12
    ),
    st.integers(1, 3),
)
def test_the_best_cut_lowers_the_squares_most(rows: list[list[float]], confirmations: int) -> None:
    signals = np.array(rows)
    cuts = range(1, len(signals) - confirmations + 1)
    split = spread_of(signals).best_split(confirmations)
    if not cuts:
        assert split is None
        return
    gains = [squares(signals) - squares(signals[:cut]) - squares(signals[cut:]) for cut in cuts]
    assert split is not None
    assert split.evidence_s == pytest.approx(0.1 * max(gains), abs=1e-9)
    assert gains[split.first - 1] == pytest.approx(max(gains), abs=1e-9)
    np.testing.assert_allclose(split.old, signals[: split.first].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(split.new, signals[split.first :].mean(axis=0), atol=1e-9)


def test_only_recent_samples_are_cut_apart_but_older_ones_count() -> None:
    signals = np.zeros((3 * LOOK_BACK, 1))
    signals[-LOOK_BACK:] = 1.0
    split = spread_of(signals).best_split(1)
    assert split is not None
    assert split.first == 0
    gain = squares(signals)
    assert split.evidence_s == pytest.approx(0.1 * gain)


def test_what_is_kept_after_a_cut_is_as_if_nothing_had_been_before() -> None:
    signals = np.random.default_rng(0).normal(size=(20, 3))
    kept, fresh = spread_of(signals), spread_of(signals[12:])
    kept.keep_after(12)
    for spread in (kept, fresh):
        spread.add(np.ones(3), 0.1)
    a, b = kept.best_split(1), fresh.best_split(1)
    assert a is not None and b is not None
    assert a.first == b.first
    assert a.evidence_s == pytest.approx(b.evidence_s)


def test_a_mean_that_is_kept_weighs_no_more_than_the_memory() -> None:
    spread = spread_of(np.zeros((1000, 1)))
    spread.keep_mean()
    for _ in range(round(MEMORY_S / 0.1)):
        spread.add(np.ones(1), 0.1)
    split = spread.best_split(1)
    assert split is not None
    assert (split.first, split.evidence_s) == (0, pytest.approx(0.5 * MEMORY_S / 2))


def test_the_mean_drifts_away_from_the_baseline() -> None:
    spread = spread_of(np.zeros((10, 1)))
    spread.set_baseline()
    assert spread.drift_evidence_s(0.0) == 0.0
    for _ in range(10):
        spread.add(np.full(1, 0.8), 0.1)
    weight = 2.0 * MEMORY_S / (2.0 + MEMORY_S)  # 2 s since, the mean has come to 0.4
    assert spread.drift_evidence_s(0.0) == pytest.approx(weight * 0.5 * 0.4**2)
    by_chance = 2 * 0.02 / 1.0
    assert spread.drift_evidence_s(0.02) == pytest.approx(weight * (0.5 * 0.4**2 - by_chance))


def test_a_signal_belongs_to_the_nearer_side() -> None:
    split = spread_of(np.array([[0.0], [0.0], [4.0], [4.0]])).best_split(1)
    assert split is not None
    assert [split.is_new(np.full(1, x)) for x in (0.0, 1.9, 2.1, 9.0)] == [
        False,
        False,
        True,
        True,
    ]
