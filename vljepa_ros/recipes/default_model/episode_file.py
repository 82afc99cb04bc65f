# SPDX-License-Identifier: Apache-2.0
"""How an episode is written: JPEG frames, and what is known about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.files import new_file

FRAME_PIXELS = 160
JPEG_QUALITY = 92


def write_episode(
    path: Path, frames: Sequence[NDArray[np.uint8]], known: Mapping[str, Any]
) -> None:
    """Write an episode whole or not at all.

    Args:
        path: a file that does not exist.
        frames: (H, W, 3) RGB.
        known: arrays or values by name: the simulator's signals, or a clip's instruction.
    """
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    jpegs = [cv2.imencode(".jpg", f[..., ::-1], quality)[1].ravel() for f in frames]
    ends = np.cumsum([len(jpeg) for jpeg in jpegs])
    with new_file(path) as stream:
        np.savez(stream, jpeg=np.concatenate(jpegs), ends=ends, **known)
