# SPDX-License-Identifier: Apache-2.0
"""Arrays of pixels as source frames, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.source import SourceFrame
from vljepa_ros.stream.images import decode_image


def pixel_frame(
    image: NDArray[Any], encoding: str, stamp_ns: int, frame_id: str = ""
) -> SourceFrame:
    """Wrap a uint8 (H, W, 3) image, whose channels `encoding` names, without converting it."""
    height, width = image.shape[:2]
    data = np.ascontiguousarray(image).data.cast("B")
    return SourceFrame(stamp_ns, encoding, width, height, 3 * width, data, frame_id=frame_id)


def rgb_pixels(frame: SourceFrame) -> NDArray[np.uint8]:
    """Return the image of a frame as RGB (H, W, 3).

    Raises:
        ImageError: its format is not known, or it is not whole.
    """
    return decode_image(
        encoding=frame.encoding,
        width=frame.width,
        height=frame.height,
        step=frame.step,
        is_bigendian=frame.is_bigendian,
        data=frame.data,
    )
