# SPDX-License-Identifier: Apache-2.0
"""By which angles the time of a frame turns the keys and queries of a streaming encoder.

Attention depends on the difference of two angles alone, so any origin of time gives the same
result. Angles are computed here in double precision and not in a graph: in half precision a
stream would fall apart within minutes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROTARY_BASE = 10000.0  # of V-JEPA's rotary positions


def time_turn(times: NDArray[np.float64], pairs: int) -> NDArray[np.float32]:
    """Return cos and sin (..., 2, pairs) for frames at ``times`` (...), in periods of a clip."""
    angle = times[..., np.newaxis] * ROTARY_BASE ** (-np.arange(pairs) / pairs)
    return np.stack([np.cos(angle), np.sin(angle)], -2).astype(np.float32)
