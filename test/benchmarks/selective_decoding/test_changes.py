# SPDX-License-Identifier: Apache-2.0
"""Change points: pairs against a maximum matching, and delays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.selective_decoding.changes import (
    ChangeCounts,
    DelaySummary,
    count_changes,
    detection_delays,
)

CHANGES = st.lists(st.integers(0, 30), max_size=12, unique=True).map(sorted)


@given(CHANGES, CHANGES, st.integers(0, 4))
def test_no_other_way_of_matching_finds_more_pairs(
    true: list[int], found: list[int], tolerance: int
) -> None:
    graphs = pytest.importorskip("scipy.sparse.csgraph")
    sparse = pytest.importorskip("scipy.sparse")
    near = np.abs(np.subtract.outer(true, found)) <= tolerance
    best = 0
    if near.size:
        pairs = graphs.maximum_bipartite_matching(sparse.csr_matrix(near))
        best = int((pairs >= 0).sum())
    expected = ChangeCounts(best, len(found), len(true))
    assert count_changes(true, found, tolerance) == expected


def test_two_reports_of_one_change_count_once() -> None:
    assert count_changes([10], [9, 11], 2) == ChangeCounts(matched=1, found=2, true=1)


def test_precision_recall_and_f1_of_several_streams() -> None:
    counts = count_changes([10, 20, 30], [12, 33], 2) + count_changes([5], [4], 2)
    assert counts == ChangeCounts(matched=2, found=3, true=4)
    assert counts.precision == pytest.approx(2 / 3)
    assert counts.recall == 0.5
    assert counts.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))


def test_what_was_never_asked_is_not_a_number() -> None:
    assert math.isnan(count_changes([1], [], 2).precision)
    assert math.isnan(count_changes([], [1], 2).recall)
    assert math.isnan(count_changes([], [], 2).f1)
    assert count_changes([1], [], 2).f1 == 0


def test_a_report_belongs_to_the_newest_change() -> None:
    delays = detection_delays([10, 20, 30, 40], [8, 13, 15, 30, 47])
    np.testing.assert_array_equal(delays, [3, np.nan, 0, 7])


def test_a_report_somewhat_early_is_the_changes_own() -> None:
    np.testing.assert_array_equal(detection_delays([10, 20], [8, 19], early=1), [np.nan, -1])
    np.testing.assert_array_equal(detection_delays([10, 20], [8, 19], early=2), [-2, -1])
    np.testing.assert_array_equal(detection_delays([10, 20], [], early=2), [np.nan, np.nan])
    assert detection_delays([], [3]).size == 0


def test_delays_are_summed_up_over_the_changes_that_were_found() -> None:
    summary = DelaySummary.of([0, 1, 2, np.nan])
    assert summary.found == 0.75
    assert summary.p50 == 1 and summary.p90 == pytest.approx(1.8)
    nothing = DelaySummary.of([np.nan])
    assert nothing.found == 0 and math.isnan(nothing.p50)
