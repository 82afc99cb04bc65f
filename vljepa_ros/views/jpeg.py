# SPDX-License-Identifier: Apache-2.0
"""Images as JPEG, for pages in the browser."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.images import ImageError

_QUALITY = 80


def jpeg(image: NDArray[np.uint8], width: int) -> bytes:
    """Return RGB pixels (H, W, 3) as JPEG with at most ``width`` columns.

    Raises:
        ImageError: they cannot be written as JPEG.
    """
    bgr = cv2.cvtColor(within(image, width), cv2.COLOR_RGB2BGR)
    good, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not good:
        raise ImageError("size", "the image cannot be written as JPEG")
    return coded.tobytes()


def within(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) with at most ``width`` columns, in the same proportions."""
    rows, columns = image.shape[:2]
    if columns <= width:
        return image
    size = (width, max(1, round(rows * width / columns)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
