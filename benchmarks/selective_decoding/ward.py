# SPDX-License-Identifier: Apache-2.0
"""Ward clustering of a stream into pieces of time, which is what the paper evaluates (4.6).

At first every frame is a piece. Again and again the two neighbours are joined whose union adds
least to the summed squared distances of frames from the mean of their piece. It is the result of
scikit-learn's AgglomerativeClustering with ward linkage and a chain as connectivity, also if
distances are equal, in O(T log T): a join changes only the distances to two neighbours, and a heap
holds the distances.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class _Pair(NamedTuple):
    """Two neighbouring pieces, least first; of equal distances the older pieces come first."""

    distance: float
    younger: int
    older: int
    left: int
    right: int


class _Chain:
    """Pieces in the order of time. A piece goes by its first frame; its name tells its age."""

    def __init__(self, embeddings: NDArray[np.float64]) -> None:
        frames = len(embeddings)
        self.sums = embeddings.copy()
        self.sizes = [1] * frames
        self.names = list(range(frames))
        self._next = list(range(1, frames + 1))
        self._before = list(range(-1, frames - 1))
        self._born = frames

    def pair(self, left: int, right: int) -> _Pair:
        sizes = self.sizes[left], self.sizes[right]
        step = self.sums[left] / sizes[0] - self.sums[right] / sizes[1]
        # One addend after the other, as scikit-learn adds: equal distances are equal here too.
        squared = np.add.accumulate(step * step)[-1]
        distance = float(squared) * (sizes[0] * sizes[1] / sum(sizes))
        names = self.names[left], self.names[right]
        return _Pair(distance, max(names), min(names), left, right)

    def is_current(self, pair: _Pair) -> bool:
        return {self.names[pair.left], self.names[pair.right]} == {pair.younger, pair.older}

    def join(self, left: int, right: int) -> None:
        self.sums[left] += self.sums[right]
        self.sizes[left] += self.sizes[right]
        self.names[left], self.names[right] = self._born, -1
        self._born += 1
        self._next[left] = following = self._next[right]
        if following < len(self.names):
            self._before[following] = left

    def neighbours(self, piece: int) -> list[_Pair]:
        before, following = self._before[piece], self._next[piece]
        pairs = [self.pair(before, piece)] if before >= 0 else []
        return pairs + ([self.pair(piece, following)] if following < len(self.names) else [])


def ward_order(embeddings: ArrayLike) -> NDArray[np.intp]:
    """Return the order in which the borders between frames vanish as pieces are joined.

    It is computed once for all numbers of pieces: see :func:`ward_starts`.

    Args:
        embeddings: (T, dimension), one or more frames.

    Returns:
        (T - 1) frames; each was the first one of the later of the two pieces that were joined.

    Raises:
        ValueError: the shape is another one, or a value is not finite.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise ValueError(f"expected finite embeddings (T, dimension), not shape {rows.shape}")
    chain = _Chain(rows)
    heap = [chain.pair(frame - 1, frame) for frame in range(1, len(rows))]
    heapify(heap)
    vanished: list[int] = []
    while heap:
        best = heappop(heap)
        if chain.is_current(best):
            chain.join(best.left, best.right)
            vanished.append(best.right)
            for pair in chain.neighbours(best.left):
                heappush(heap, pair)
    return np.array(vanished, dtype=np.intp)


def ward_starts(order: ArrayLike, pieces: int) -> NDArray[np.intp]:
    """Return the first frames (pieces) of the pieces, ascending from 0.

    Args:
        order: (T - 1) of :func:`ward_order`.
        pieces: how many, 1 to T.

    Raises:
        ValueError: there are fewer frames than pieces, or no piece is asked for.
    """
    vanished = np.asarray(order, dtype=np.intp)
    frames = len(vanished) + 1
    if not 1 <= pieces <= frames:
        raise ValueError(f"{frames} frames cannot be cut into {pieces} pieces")
    return np.sort(np.append(vanished[frames - pieces :], 0))
