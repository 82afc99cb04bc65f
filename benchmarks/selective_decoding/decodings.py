# SPDX-License-Identifier: Apache-2.0
"""What a method decodes of a stream: when it speaks, of which span, and from which embedding.

Every method comes down to the first frames of its spans. From these the outputs are made in one of
three ways: from the frame in the middle or the mean of the span, as in the paper, both known only
when the span is over; or from its first frame, which a robot can do while it happens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Decodings:
    """The N outputs of a method for one stream, in the order of time.

    Attributes:
        spoken: (N) frames at which they stand in time, not falling.
        starts: (N) first frames of the spans that they speak of, ascending.
        ends: (N) frames behind the last ones of the spans.
        embeddings: (N, dimension) what is decoded; not of unit length if it is a mean.
    """

    spoken: NDArray[np.intp]
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    embeddings: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.spoken)


def midpoint(embeddings: ArrayLike, starts: ArrayLike) -> Decodings:
    """Decode the frame in the middle of each span; of an even number the later one.

    Args:
        embeddings: (T, dimension) of the whole stream.
        starts: (N) first frames of spans, ascending from 0; the last one ends with the stream.

    Raises:
        ValueError: ``starts`` is not such a list.
    """
    rows, first, ends = _spans(embeddings, starts)
    middles = first + (ends - first) // 2
    return Decodings(middles, first, ends, rows[middles])


def pooled(embeddings: ArrayLike, starts: ArrayLike) -> Decodings:
    """Decode the mean of each span; it stands in the middle of the span. As :func:`midpoint`."""
    rows, first, ends = _spans(embeddings, starts)
    sums = np.add.reduceat(rows, first, axis=0, dtype=np.float64)
    means = sums / (ends - first)[:, np.newaxis]
    return Decodings(first + (ends - first) // 2, first, ends, means)


def at_start(embeddings: ArrayLike, starts: ArrayLike) -> Decodings:
    """Decode the first frame of each span, when it is seen. As :func:`midpoint`."""
    rows, first, ends = _spans(embeddings, starts)
    return Decodings(first, first, ends, rows[first])


def _spans(
    embeddings: ArrayLike, starts: ArrayLike
) -> tuple[NDArray[np.floating], NDArray[np.intp], NDArray[np.intp]]:
    rows, first = np.asarray(embeddings), np.asarray(starts, dtype=np.intp)
    edges = np.append(first, len(rows))
    if first.size == 0 or first[0] != 0 or not (np.diff(edges) > 0).all():
        raise ValueError(f"spans must ascend from frame 0 within {len(rows)} frames, not {first}")
    return rows, first, edges[1:]
