# SPDX-License-Identifier: Apache-2.0
"""Which output answers for a moment, in the three readings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.selective_decoding.decodings import Decodings
from benchmarks.selective_decoding.matching import (
    live,
    nearest,
    said,
    spanning,
)


def outputs(spoken: list[int], spans: list[tuple[int, int]]) -> Decodings:
    starts, ends = np.array(spans, dtype=np.intp).reshape(-1, 2).T
    return Decodings(np.array(spoken, dtype=np.intp), starts, ends, np.zeros((len(spoken), 2)))


@pytest.mark.parametrize("seed", range(5))
def test_the_nearest_output_is_the_first_of_the_smallest_distance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    spoken = np.sort(rng.choice(40, rng.integers(1, 15), replace=False))
    decodings = outputs(spoken.tolist(), [(t, t + 1) for t in spoken])
    frames = np.arange(45)
    expected = np.abs(frames[:, np.newaxis] - spoken).argmin(axis=1)
    np.testing.assert_array_equal(nearest(decodings, frames), expected)


def test_of_two_as_near_the_earlier_counts() -> None:
    assert nearest(outputs([2, 6], [(0, 4), (4, 8)]), [3, 4, 5]).tolist() == [0, 0, 1]


def test_the_readings_differ_where_an_output_is_spoken_late() -> None:
    decodings = outputs([2, 12], [(0, 10), (10, 20)])
    frames = [0, 6, 8, 10, 11, 12, 19]
    assert nearest(decodings, frames).tolist() == [0, 0, 1, 1, 1, 1, 1]
    assert spanning(decodings, frames).tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert live(decodings, frames).tolist() == [-1, 0, 0, 0, 0, 1, 1]


def test_no_span_holds_a_frame_in_a_gap_before_or_behind() -> None:
    assert spanning(outputs([3, 6], [(2, 4), (5, 7)]), [1, 3, 4, 6, 7]).tolist() == [
        -1,
        0,
        -1,
        1,
        -1,
    ]


@pytest.mark.parametrize("reading", [nearest, spanning, live])
def test_a_silent_method_answers_for_nothing(
    reading: Callable[[Decodings, list[int]], np.ndarray],
) -> None:
    assert reading(outputs([], []), [0, 5]).tolist() == [-1, -1]


def test_where_nothing_was_said_the_text_is_empty() -> None:
    texts = said(["opens", "waits"], np.array([-1, 0, 0, 1]))
    assert texts == ["", "opens", "opens", "waits"]
