# SPDX-License-Identifier: Apache-2.0
"""Spans, and what is decoded of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.selective_decoding.decodings import at_start, midpoint, pooled
from benchmarks.selective_decoding.uniform import uniform_starts

ROWS = np.arange(14, dtype=np.float32).reshape(7, 2)  # frame t holds (2t, 2t + 1)


@pytest.mark.parametrize("frames", [1, 7, 20])
def test_uniform_spans_differ_by_at_most_one_frame(frames: int) -> None:
    for pieces in range(1, frames + 1):
        lengths = np.diff(np.append(uniform_starts(frames, pieces), frames))
        assert len(lengths) == pieces and lengths.sum() == frames
        assert lengths.max() - lengths.min() <= 1
    assert uniform_starts(frames, 1).tolist() == [0]


@pytest.mark.parametrize("pieces", [0, 4])
def test_there_are_no_more_uniform_spans_than_frames(pieces: int) -> None:
    with pytest.raises(ValueError, match="3 frames"):
        uniform_starts(3, pieces)


def test_the_midpoint_is_the_frame_in_the_middle() -> None:
    found = midpoint(ROWS, [0, 1, 3])
    assert found.spoken.tolist() == [0, 2, 5]
    assert found.starts.tolist() == [0, 1, 3] and found.ends.tolist() == [1, 3, 7]
    assert_array_equal(found.embeddings, ROWS[[0, 2, 5]])


def test_the_mean_stands_in_the_middle_of_its_span() -> None:
    found = pooled(ROWS, [0, 1, 3])
    assert found.spoken.tolist() == [0, 2, 5] and found.ends.tolist() == [1, 3, 7]
    assert_array_equal(found.embeddings, [[0, 1], [3, 4], [9, 10]])


def test_the_mean_of_a_long_span_is_exact() -> None:
    found = pooled(np.full((100_000, 1), 0.1, dtype=np.float32), [0])
    assert found.embeddings[0, 0] == pytest.approx(np.float32(0.1), rel=1e-9)


def test_at_the_start_the_first_frame_speaks() -> None:
    found = at_start(ROWS, [0, 4])
    assert len(found) == 2
    assert found.spoken.tolist() == found.starts.tolist() == [0, 4]
    assert_array_equal(found.embeddings, ROWS[[0, 4]])


@pytest.mark.parametrize("starts", [[], [1, 3], [0, 3, 3], [0, 4, 2], [0, 7]])
@pytest.mark.parametrize("way", [midpoint, pooled, at_start])
def test_spans_that_do_not_cover_the_stream_in_order_are_refused(way, starts) -> None:
    with pytest.raises(ValueError, match="ascend from frame 0"):
        way(ROWS, starts)
