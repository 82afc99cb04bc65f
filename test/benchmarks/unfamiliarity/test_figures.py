# SPDX-License-Identifier: Apache-2.0
"""The measures of the benchmark on values whose result can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.unfamiliarity.figures import (
    auroc,
    calibration_error,
    risk_coverage,
    time_flagged,
)

STAMPS = np.arange(20) * 200_000_000


def test_auroc_counts_pairs_and_half_of_ties() -> None:
    assert auroc([1, 2, 3], [4, 5]) == 1.0
    assert auroc([4, 5], [1, 2, 3]) == 0.0
    assert auroc([1, 2], [2]) == 0.75


def test_a_stream_is_flagged_if_its_clips_agree() -> None:
    all_strange, none, some = np.ones(20), np.zeros(20), np.arange(20) % 10 == 0
    found = time_flagged([(STAMPS, np.float64(each)) for each in (all_strange, none, some)], 0.5)
    assert found.tolist() == [1.0, 0.0, 0.0]


def test_a_stream_that_becomes_strange_is_flagged_a_second_later() -> None:
    (share,) = time_flagged([(STAMPS, np.float64(np.arange(20) >= 10))], 0.5)
    assert share == pytest.approx(5 / 15)  # clips 15 to 19 of 5 to 19


def test_the_most_familiar_are_spoken_of_first() -> None:
    shares, accuracy = risk_coverage([0.9, 0.1, 0.5, 0.2], [False, True, False, True])
    assert shares.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert accuracy.tolist() == [1.0, 1.0, pytest.approx(2 / 3), 0.5]


def test_the_calibration_error_is_the_mean_gap_of_score_and_accuracy() -> None:
    assert calibration_error([0.95] * 4, [True, True, True, False]) == pytest.approx(0.2)
    assert calibration_error([1.0, 0.0], [True, False]) == 0.0
    halves = calibration_error([0.95] * 2 + [0.05] * 2, [True, True, True, False])
    assert halves == pytest.approx(0.5 * 0.05 + 0.5 * 0.45)
