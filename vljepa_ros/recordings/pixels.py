# SPDX-License-Identifier: Apache-2.0
"""OpenCV's arrays as source frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.source import SourceFrame


def pixel_frame(
    image: NDArray[Any], encoding: str, stamp_ns: int, frame_id: str = ""
) -> SourceFrame:
    """Wrap a uint8 (H, W, 3) image, whose channels `encoding` names, without converting it."""
    height, width = image.shape[:2]
    data = np.ascontiguousarray(image).data.cast("B")
    return SourceFrame(stamp_ns, encoding, width, height, 3 * width, data, frame_id=frame_id)
