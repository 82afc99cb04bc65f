# SPDX-License-Identifier: Apache-2.0
"""What is drawn on the camera's picture itself: what the model sees of it, and that it is old."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.views.text_drawing import Colour, Font, paint

_DARK: Colour = (20, 22, 27)
_LIGHT: Colour = (246, 247, 249)
_WARNING: Colour = (240, 176, 60)
_DIMMED = 0.45


def grey_out(picture: NDArray[np.uint8], text: str, face: Font) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) in dark grey with a banner that says why."""
    grey = np.asarray(picture.mean(axis=2, keepdims=True) * _DIMMED, np.uint8)
    dimmed = np.repeat(grey, 3, axis=2)
    dimmed[: 2 * face.height] = _DARK
    paint(dimmed, text, face.height // 2, face.height // 2, face, _WARNING)
    return dimmed


def frame_crop(canvas: NDArray[np.uint8], width: int, height: int, aspect: float) -> None:
    """Frame what the model sees of a picture, if that is not all of it.

    The frame is a light line between dark ones, so that it shows on any scene.

    Args:
        canvas: (H, W, 3), with the picture at its top left.
        width: Of the picture in pixels.
        height: Of the picture in pixels.
        aspect: Width by height of the centre that the model sees.
    """
    right = min(width, round(height * aspect))
    bottom = min(height, round(width / aspect))
    if (right, bottom) == (width, height):
        return
    left, top = (width - right) // 2, (height - bottom) // 2
    for inset, colour in enumerate((_DARK, _LIGHT, _DARK)):
        end = (left + right - 1 - inset, top + bottom - 1 - inset)
        cv2.rectangle(canvas, (left + inset, top + inset), end, colour, 1)
