# SPDX-License-Identifier: Apache-2.0
"""A frame on its way to the model, and what happens when the next one overtakes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """An RGB frame of the model's size; ``restart`` tells that no older frame belongs to it."""

    stamp_ns: int
    frame_id: str
    image: NDArray[np.uint8]
    restart: bool


def newest(old: Frame, new: Frame) -> Frame:
    """Return what takes the place of a frame that still waits: the new one, with its restart."""
    return replace(new, restart=True) if old.restart else new


def newest_of_each(old: Mapping[str, Frame], new: Mapping[str, Frame]) -> dict[str, Frame]:
    """Return what takes the place of frames that still wait, by camera: the newest of each."""
    replacing = {
        camera: newest(old[camera], frame) if camera in old else frame
        for camera, frame in new.items()
    }
    return {**old, **replacing}
