# SPDX-License-Identifier: Apache-2.0
"""An image of any size to the size that the model takes.

The centre is cut out first, so only pixels that count are touched, and then scaled by averaging
areas: plain linear sampling is faster but skips most pixels of a large image and aliases. The
training frames are scaled by the same averaging: a model must see in use what it saw in training.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def fit_frame(image: NDArray[np.uint8], *, height: int, width: int) -> NDArray[np.uint8]:
    """Cut the centre of ``image`` (H, W, 3) to the aspect ratio asked for, and scale it.

    Returns:
        A contiguous (height, width, 3) array; the image itself if it has that size already.

    Raises:
        ValueError: the image is empty or not (H, W, 3) uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected a uint8 image (H, W, 3), not {image.dtype} {image.shape}")
    crop = _centre(image, height, width)
    if crop.shape[:2] == (height, width):
        return np.ascontiguousarray(crop)
    enlarging = crop.shape[0] < height or crop.shape[1] < width
    method = cv2.INTER_LINEAR if enlarging else cv2.INTER_AREA
    return np.asarray(cv2.resize(crop, (width, height), interpolation=method), dtype=np.uint8)


def _centre(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = image.shape[:2]
    crop_rows = min(rows, max(1, round(columns * height / width)))
    crop_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]
