# SPDX-License-Identifier: Apache-2.0
"""The file of an episode: JPEG frames, and what is known about them."""

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


def read_frames(path: Path) -> NDArray[np.uint8]:
    """Return the frames (F, H, W, 3) of an episode, RGB.

    Raises:
        ValueError: a frame of the file is no JPEG.
    """
    with np.load(path) as data:
        jpegs = np.split(data["jpeg"], data["ends"][:-1])
    decoded = [cv2.imdecode(jpeg, cv2.IMREAD_COLOR) for jpeg in jpegs]
    frames = [frame[..., ::-1] for frame in decoded if frame is not None]
    if len(frames) < len(jpegs):
        raise ValueError(f"{path}: {len(jpegs) - len(frames)} frames are no JPEG")
    return np.stack(frames).astype(np.uint8, copy=False)
