# SPDX-License-Identifier: Apache-2.0
"""Spans of equal length, whatever the stream shows: what selective decoding is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def uniform_starts(frames: int, pieces: int) -> NDArray[np.intp]:
    """Return the first frames (pieces) of spans whose lengths differ by at most one frame.

    Raises:
        ValueError: there are fewer frames than pieces, or no piece is asked for.
    """
    if not 1 <= pieces <= frames:
        raise ValueError(f"{frames} frames cannot be cut into {pieces} pieces")
    return np.arange(pieces, dtype=np.intp) * frames // pieces
