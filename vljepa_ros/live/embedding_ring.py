# SPDX-License-Identifier: Apache-2.0
"""The newest embeddings of all cameras and queries, to find the moments that fit a text."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BYTES = 32 << 20  # of the vectors
_MOST = 200_000  # embeddings, however short they are
_PERIOD_NS = 500_000_000  # between two embeddings of a query that are kept
_MAX_SOURCES = 1024  # cameras times queries, also those that are not asked any more
_CHUNK = 4096  # embeddings that are copied at once, because the node waits meanwhile

Source = tuple[str, str]
"""Name of a camera and of a query."""


@dataclass(frozen=True)
class NearMoment:
    """An embedding that was compared with a text.

    Attributes:
        source: which camera and query it is of.
        stamp_ns: of the newest frame of its clip.
        cosine: similarity to the text, -1..1.
    """

    source: Source
    stamp_ns: int
    cosine: float


class EmbeddingRing:
    """Keeps two embeddings per second and source as float16, the newest ones. For any thread.

    Attributes:
        space_id: names the space of what is kept; another one takes its place.
    """

    def __init__(self, limit: int = _BYTES) -> None:
        """Begin empty; ``limit`` is in bytes of vectors."""
        self.space_id = ""
        self._limit = limit
        self._lock = threading.Lock()
        self._clear(0)

    def add(
        self, source: Source, space_id: str, stamp_ns: int, vector: NDArray[np.float32]
    ) -> None:
        """Keep an embedding (dimension) if it is due; the oldest one makes room."""
        with self._lock:
            known = source in self._last or len(self._last) < _MAX_SOURCES
            if (space_id, len(vector)) != (self.space_id, self._vectors.shape[1]) or not known:
                self.space_id = space_id
                self._clear(len(vector))
            if 0 <= stamp_ns - self._last.get(source, -_PERIOD_NS) < _PERIOD_NS:
                return
            self._last[source] = stamp_ns
            place = self._added % len(self._vectors)
            self._vectors[place] = vector
            self._stamps[place] = stamp_ns
            self._sources[place] = source
            self._added += 1

    def clear(self) -> None:
        """Forget all, for instance because the clock was set back."""
        with self._lock:
            self._clear(self._vectors.shape[1])

    def __len__(self) -> int:
        """Return how many embeddings are kept."""
        return min(self._added, len(self._vectors))

    def nearest(self, vector: NDArray[np.float32], space_id: str, count: int) -> list[NearMoment]:
        """Return the embeddings that are nearest to one of a text, best first.

        Args:
            vector: unit vector of the text (dimension).
            space_id: of the vector; what is kept of another space is not compared.
            count: how many at most.
        """
        cosines: list[NDArray[np.float32]] = []
        stamps: list[int] = []
        sources: list[Source] = []
        for part, part_stamps, part_sources in self._chunks(space_id):
            cosines.append(part.astype(np.float32) @ vector)
            stamps += part_stamps.tolist()
            sources += part_sources
        if not cosines:
            return []
        values = np.concatenate(cosines)
        best = np.argsort(-values, kind="stable")[:count]
        return [NearMoment(sources[one], stamps[one], float(values[one])) for one in best]

    def _chunks(
        self, space_id: str
    ) -> Iterator[tuple[NDArray[np.float16], NDArray[np.int64], list[Source]]]:
        """Yield copies of what is kept, part by part."""
        begin = 0
        while True:
            with self._lock:
                end = min(begin + _CHUNK, len(self))
                if begin >= end or space_id != self.space_id:
                    return
                part = slice(begin, end)
                copy = self._vectors[part].copy(), self._stamps[part].copy(), self._sources[part]
            yield copy
            begin = end

    def _clear(self, dimension: int) -> None:
        capacity = min(max(1, self._limit // (2 * dimension)), _MOST) if dimension else 1
        self._added = 0
        self._vectors = np.zeros((capacity, dimension), np.float16)  # the memory follows with use
        self._stamps = np.zeros(capacity, np.int64)
        self._sources: list[Source] = [("", "")] * capacity
        self._last: dict[Source, int] = {}
