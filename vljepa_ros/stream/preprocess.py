# SPDX-License-Identifier: Apache-2.0
"""An image of any size to the size that the model takes.

The centre is cut out first, so only pixels that count are touched, and then scaled by averaging
areas: plain linear sampling is faster but skips most pixels of a large image and aliases. The
training frames are scaled by the same averaging: a model must see in use what it saw in training.
A robot whose scene does not fit into the centre may show the model the whole image instead.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

CROP, LETTERBOX, STRETCH = "crop", "letterbox", "stretch"
FITS = (CROP, LETTERBOX, STRETCH)


def fit_frame(
    image: NDArray[np.uint8], *, height: int, width: int, fit: str = CROP
) -> NDArray[np.uint8]:
    """Bring an image (H, W, 3) to the size asked for.

    Args:
        image: RGB or BGR, uint8.
        height: rows of the result.
        width: columns of the result.
        fit: ``crop`` cuts the centre to the aspect ratio of the result; ``letterbox`` scales the
            whole image into the result and leaves black margins; ``stretch`` scales rows and
            columns apart.

    Returns:
        A contiguous (height, width, 3) array; the image itself if it has that size already.

    Raises:
        ValueError: the image is empty or not (H, W, 3) uint8.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"expected a uint8 image (H, W, 3), not {image.dtype} {image.shape}")
    if fit == LETTERBOX:
        return _letterboxed(image, height, width)
    return _scaled(_centre(image, height, width) if fit == CROP else image, height, width)


def letterbox_area(rows: int, columns: int, *, height: int, width: int) -> tuple[slice, slice]:
    """Return which rows and columns of a letterboxed result show the image, and no margin.

    Args:
        rows: of the image.
        columns: of the image.
        height: rows of the result.
        width: columns of the result.
    """
    scale = min(height / rows, width / columns)
    inner_height = min(height, max(1, round(rows * scale)))
    inner_width = min(width, max(1, round(columns * scale)))
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return slice(top, top + inner_height), slice(left, left + inner_width)


def _scaled(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return np.ascontiguousarray(image)
    enlarging = image.shape[0] < height or image.shape[1] < width
    method = cv2.INTER_LINEAR if enlarging else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def _letterboxed(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = image.shape[:2]
    result = np.zeros((height, width, 3), np.uint8)
    inner = result[letterbox_area(rows, columns, height=height, width=width)]
    inner[...] = _scaled(image, *inner.shape[:2])
    return result


def _centre(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = image.shape[:2]
    crop_rows = min(rows, max(1, round(columns * height / width)))
    crop_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - crop_rows) // 2, (columns - crop_columns) // 2
    return image[top : top + crop_rows, left : left + crop_columns]
