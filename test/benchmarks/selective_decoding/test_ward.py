# SPDX-License-Identifier: Apache-2.0
"""Ward clustering along time, against scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.selective_decoding import ward
from benchmarks.selective_decoding.ward import ward_order, ward_starts


def scikit_learn_starts(embeddings: np.ndarray, pieces: int) -> list[int]:
    """Return the first frames of scikit-learn's clusters of neighbours in time."""
    cluster = pytest.importorskip("sklearn.cluster")
    sparse = pytest.importorskip("scipy.sparse")
    frames = len(embeddings)
    chain = sparse.diags([1.0, 1.0], [-1, 1], shape=(frames, frames))
    method = cluster.AgglomerativeClustering(pieces, connectivity=chain, linkage="ward")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = method.fit_predict(embeddings)
    return [0, *(np.flatnonzero(np.diff(labels)) + 1)]


@st.composite
def streams_with_equal_distances(draw: st.DrawFn) -> np.ndarray:
    """Few small numbers: frames and distances are often equal."""
    dimension = draw(st.integers(1, 3))
    frame = st.lists(st.integers(-2, 2), min_size=dimension, max_size=dimension)
    return np.array(draw(st.lists(frame, min_size=2, max_size=16)), dtype=np.float64)


@settings(max_examples=120, deadline=None)
@given(streams_with_equal_distances(), st.data())
def test_pieces_equal_scikit_learns_also_where_distances_are_equal(
    embeddings: np.ndarray, data: st.DataObject
) -> None:
    pieces = data.draw(st.integers(1, len(embeddings)))
    found = ward_starts(ward_order(embeddings), pieces)
    assert found.tolist() == scikit_learn_starts(embeddings, pieces)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(3))
def test_every_cut_of_one_order_equals_scikit_learns(seed: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    states = np.repeat(rng.normal(size=(12, 40)), rng.integers(1, 9, 12), axis=0)
    embeddings = (states + 0.3 * rng.normal(size=states.shape)).astype(dtype)
    order = ward_order(embeddings)
    for pieces in range(1, len(embeddings) + 1):
        assert ward_starts(order, pieces).tolist() == scikit_learn_starts(embeddings, pieces)


@pytest.mark.parametrize("frames", [2, 7, 30])
def test_a_stream_that_stands_still_is_cut_as_by_scikit_learn(frames: int) -> None:
    embeddings = np.full((frames, 3), 0.1)
    for pieces in range(1, frames + 1):
        found = ward_starts(ward_order(embeddings), pieces)
        assert found.tolist() == scikit_learn_starts(embeddings, pieces)


def test_distances_that_differ_by_rounding_alone_are_taken_as_by_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    step = rng.normal(size=40)
    embeddings = np.zeros((41, 40))
    embeddings[1::2] = [rng.permutation(step) for _ in range(20)]
    order = ward_order(embeddings)
    for pieces in range(1, 42):
        assert ward_starts(order, pieces).tolist() == scikit_learn_starts(embeddings, pieces)


def test_one_frame_is_one_piece() -> None:
    assert ward_starts(ward_order([[1.0, 2.0]]), 1).tolist() == [0]


def test_steps_are_found_largest_first() -> None:
    order = ward_order(np.repeat([[0.0], [10.0], [11.0]], 5, axis=0))
    assert ward_starts(order, 2).tolist() == [0, 5]
    assert ward_starts(order, 3).tolist() == [0, 5, 10]


def test_the_heap_works_near_linearly(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(frames: int) -> int:
        count = 0

        def counting(operation: Any) -> Any:
            def counted(*arguments: Any) -> Any:
                nonlocal count
                count += 1
                return operation(*arguments)

            return counted

        with monkeypatch.context() as patch:
            for name in ("heappush", "heappop"):
                patch.setattr(ward, name, counting(getattr(ward, name)))
            ward_order(np.random.default_rng(0).normal(size=(frames, 2)))
        return count

    assert steps(20_000) < 11 * steps(2_000)
    assert steps(2_000) > 2_000


@pytest.mark.parametrize("pieces", [0, 4])
def test_a_stream_cannot_be_cut_into_more_pieces_than_frames(pieces: int) -> None:
    with pytest.raises(ValueError, match="3 frames"):
        ward_starts(ward_order(np.eye(3)), pieces)


@pytest.mark.parametrize("wrong", [np.zeros((0, 3)), np.zeros(3), [[1.0], [np.nan]]])
def test_what_is_no_stream_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="T, dimension"):
        ward_order(wrong)
