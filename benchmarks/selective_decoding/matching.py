# SPDX-License-Identifier: Apache-2.0
"""Which output of a method answers for a moment of the stream.

The paper takes the output nearest in time, and so do we for its figures. An output that is spoken
in the middle of its span is then nearest in about that span. One that is spoken at the start is
taken for moments before it too, when it was not yet true. The other two readings are fair to it:
the output whose span holds the moment, and what had been said last by then.

All take the N outputs and (A) frames, and return (A) indices of outputs, -1 if there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.selective_decoding.decodings import Decodings


def nearest(decodings: Decodings, frames: ArrayLike) -> NDArray[np.intp]:
    """Return the output spoken nearest in time; of two as near, the earlier."""
    times, spoken = np.asarray(frames), decodings.spoken
    if len(spoken) == 0:
        return np.full(times.shape, -1, dtype=np.intp)
    after = np.clip(np.searchsorted(spoken, times), 0, len(spoken) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(times - spoken[before]) <= np.abs(times - spoken[after])
    return np.where(closer, before, after)


def spanning(decodings: Decodings, frames: ArrayLike) -> NDArray[np.intp]:
    """Return the output whose span holds the frame."""
    times = np.asarray(frames)
    index = np.searchsorted(decodings.starts, times, side="right") - 1
    held = times < np.append(decodings.ends, -1)[index]
    return np.where(held, index, -1)


def live(decodings: Decodings, frames: ArrayLike) -> NDArray[np.intp]:
    """Return the output spoken last at or before the frame, as a listener has it."""
    return np.searchsorted(decodings.spoken, np.asarray(frames), side="right") - 1


def said(texts: Sequence[str], matched: ArrayLike) -> list[str]:
    """Return the texts (A) of matched outputs; an empty one if there is no output.

    Args:
        texts: (N) of the outputs.
        matched: (A) indices, or -1.
    """
    return [texts[index] if index >= 0 else "" for index in np.asarray(matched).tolist()]
