# SPDX-License-Identifier: Apache-2.0
"""The window-variance rule: its variance against numpy's, and one decode per excursion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.selective_decoding.window_variance import (
    RELEASE,
    window_variance_starts,
    window_variances,
)


@pytest.mark.parametrize("window", [2, 5, 30])
def test_the_variance_is_that_of_the_last_frames(window: int) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))
    expected = [rows[max(0, t + 1 - window) : t + 1].var(axis=0).sum() for t in range(20)]
    np.testing.assert_allclose(window_variances(rows, window), expected, atol=1e-12)


def test_a_stream_that_stands_still_has_no_variance() -> None:
    variances = window_variances(np.full((50, 3), 0.1), 5)
    assert variances.min() == 0 and variances.max() < 1e-12


def test_a_later_frame_changes_no_earlier_variance() -> None:
    rows = np.random.default_rng(1).normal(size=(20, 4))
    whole = window_variances(rows, 5)
    np.testing.assert_allclose(window_variances(rows[:11], 5), whole[:11])


def test_a_step_is_one_decode_soon_after_it() -> None:
    rows = np.repeat(np.eye(3), 20, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    starts = window_variance_starts(window_variances(rows, 8), 0.2)
    assert len(starts) == 3 and starts[0] == 0
    assert 20 <= starts[1] <= 24 and 40 <= starts[2] <= 44


def test_a_variance_that_trembles_at_the_threshold_is_one_decode() -> None:
    assert window_variance_starts([0, 1.1, 0.9, 1.1, 0.6, 1.2, 0], 1.0).tolist() == [0, 1]
    assert window_variance_starts([0, 1.1, 0.4, 1.1, 0.6, 1.2, 0], 1.0).tolist() == [0, 1, 3]


@given(st.lists(st.sampled_from([0.0, 0.4, 0.5, 0.75, 1.0, 1.5]), min_size=1, max_size=30))
def test_decodes_equal_those_of_a_walk_through_the_frames(variances: list[float]) -> None:
    expected, armed = [0], True
    for frame, variance in enumerate(variances[1:], start=1):
        if armed and variance > 1.0:
            expected.append(frame)
            armed = False
        elif variance < RELEASE:
            armed = True
    found = window_variance_starts([0.0, *variances[1:]], 1.0)
    assert found.tolist() == expected


def test_a_window_of_one_frame_and_a_threshold_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="window of 1"):
        window_variances(np.eye(3), 1)
    for threshold in (0.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            window_variance_starts([0.0, 1.0], threshold)
