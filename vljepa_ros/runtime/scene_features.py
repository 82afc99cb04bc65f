# SPDX-License-Identifier: Apache-2.0
"""What the encoder sees in a clip, as one vector, before any query is asked.

With an image trunk that is the trunk's channels, averaged over the newest frame, and behind them
by how much each average changed within the last :data:`CHANGE_S` seconds: what is there, and what
moves. For the default model these are 112 + 112 numbers. A model without a trunk has no features
of single frames; there it is the X-Encoder's tokens, averaged over the clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANGE_S = 0.8
"""Seconds between the two frames that are compared, at most the length of the clip."""


def appearance(features: NDArray[np.float32], has_trunk: bool) -> NDArray[np.float32]:
    """Return the part (F) of a clip's features that tells how familiar it looks.

    Of a trunk's features these are the averages alone: known clips differ so much in how fast
    things move that strange ones are not seen among them.
    """
    return features[: len(features) // 2] if has_trunk else features


def trunk_features(frames: Sequence[NDArray[Any]], rate_hz: float) -> NDArray[np.float32]:
    """Return the averages of the newest frame's channels and their change (2 * C).

    Args:
        frames: of a clip, features (C, h, w) each, oldest first.
        rate_hz: their rate.
    """
    back = min(max(1, round(CHANGE_S * rate_hz)), len(frames) - 1)
    return look_and_change(look_of(frames[-1]), look_of(frames[-1 - back]))


def look_of(frame: NDArray[Any]) -> NDArray[np.float32]:
    """Return the averages (C) of the channels of a frame's features (C, h, w)."""
    return np.asarray(frame.mean(axis=(1, 2)), np.float32)


def look_and_change(
    newest: NDArray[np.float32], earlier: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return averages (C) of the newest frame and their change since an earlier one (2 * C)."""
    return np.concatenate([newest, newest - earlier])
