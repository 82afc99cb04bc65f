# SPDX-License-Identifier: Apache-2.0
"""Small pictures of a stream, of which each segment gets the one nearest to its middle.

When a segment ends, its middle may be long ago. So pictures of all of the stream are kept, the
older the fewer: if there are too many, every second one of the older half goes.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE = 160  # pixels
_QUALITY = 80
_APART_NS = 250_000_000
_MOST = 512


class Thumbnails:
    """JPEG pictures by stamp. One thread adds, another may take."""

    def __init__(self) -> None:
        """Begin without a picture."""
        self._lock = threading.Lock()
        self._pictures: list[tuple[int, bytes]] = []

    def add(self, stamp_ns: int, image: NDArray[np.uint8]) -> None:
        """Take an image RGB (H, W, 3), unless one of a moment before is there."""
        if self._pictures and 0 <= stamp_ns - self._pictures[-1][0] < _APART_NS:
            return
        picture = (stamp_ns, _jpeg(image))
        with self._lock:
            self._pictures.append(picture)
            if len(self._pictures) > _MOST:
                half = _MOST // 2
                self._pictures = self._pictures[:half:2] + self._pictures[half:]

    def nearest(self, stamp_ns: int) -> bytes:
        """Return the picture nearest to a stamp; empty if there is none."""
        with self._lock:
            if not self._pictures:
                return b""
            return min(self._pictures, key=lambda one: abs(one[0] - stamp_ns))[1]


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    height, width = image.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes() if done else b""
