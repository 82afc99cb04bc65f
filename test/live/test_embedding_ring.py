# SPDX-License-Identifier: Apache-2.0
"""The newest embeddings, found by a text's."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.live import embedding_ring
from vljepa_ros.live.embedding_ring import EmbeddingRing

SECOND = 1_000_000_000
EAST, NORTH = np.eye(4, dtype=np.float32)[:2]
FRONT, WRIST = ("front", "action"), ("wrist", "action")


def stamps(ring: EmbeddingRing, vector: np.ndarray, count: int = 100) -> list[int]:
    return [one.stamp_ns // SECOND for one in ring.nearest(vector, "space", count)]


def test_the_nearest_come_first_with_their_source_and_cosine() -> None:
    ring = EmbeddingRing()
    ring.add(FRONT, "space", SECOND, NORTH)
    ring.add(WRIST, "space", 2 * SECOND, EAST)
    best, other = ring.nearest(EAST, "space", 5)
    assert (best.source, best.stamp_ns) == (WRIST, 2 * SECOND)
    assert best.cosine == pytest.approx(1.0)
    assert (other.source, other.cosine) == (FRONT, pytest.approx(0.0))
    assert len(ring.nearest(EAST, "space", 1)) == 1


def test_memory_is_bounded_and_the_oldest_goes() -> None:
    ring = EmbeddingRing(limit=3 * 4 * 2)  # three vectors of four float16
    for second in range(10):
        ring.add(FRONT, "space", second * SECOND, EAST)
    assert len(ring) == 3
    assert sorted(stamps(ring, EAST)) == [7, 8, 9]


def test_a_source_is_kept_twice_a_second_however_fast_it_is() -> None:
    ring = EmbeddingRing()
    for tick in range(30):  # three seconds at 10 Hz
        ring.add(FRONT, "space", tick * SECOND // 10, EAST)
        ring.add(WRIST, "space", tick * SECOND // 10, EAST)
    assert len(ring) == 2 * 6


def test_stamps_that_go_back_are_kept() -> None:
    ring = EmbeddingRing()
    ring.add(FRONT, "space", 100 * SECOND, EAST)
    ring.add(FRONT, "space", 1 * SECOND, EAST)
    assert sorted(stamps(ring, EAST)) == [1, 100]


def test_spaces_are_never_mixed() -> None:
    ring = EmbeddingRing()
    ring.add(FRONT, "space", SECOND, EAST)
    assert ring.nearest(EAST, "another", 5) == []
    ring.add(FRONT, "another", 2 * SECOND, EAST[:2])
    assert len(ring) == 1
    assert ring.nearest(EAST, "space", 5) == []
    assert len(ring.nearest(EAST[:2], "another", 5)) == 1


def test_all_chunks_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_ring, "_CHUNK", 3)
    ring = EmbeddingRing()
    for second in range(8):
        ring.add(FRONT, "space", second * SECOND, EAST if second == 7 else NORTH)
    assert stamps(ring, EAST, count=1) == [7]


def test_names_of_queries_cannot_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_ring, "_MAX_SOURCES", 10)
    ring = EmbeddingRing()
    for number in range(25):
        ring.add(("", f"query {number}"), "space", SECOND, EAST)
    assert len(ring) == 5  # it began anew twice
