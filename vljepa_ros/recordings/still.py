# SPDX-License-Identifier: Apache-2.0
"""A single image file as a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame

STILL_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".webp"}


class StillSource(Source):
    """One picture, which is shown at all times."""

    still = True

    def __init__(self, media: Path | bytes, name: str) -> None:
        """Decode the picture.

        Args:
            media: an image file, or its content.
            name: what messages call it.

        Raises:
            SourceError: it cannot be read or decoded.
        """
        super().__init__(f"image {name}")
        try:
            content = media if isinstance(media, bytes) else media.read_bytes()
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {error.strerror or error}") from error
        encoded = np.frombuffer(content, np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if len(encoded) else None
        if image is None:
            raise SourceError(f"{name} is no image that OpenCV can decode")
        self._frame = pixel_frame(image, "bgr8", 0)

    def _images(self) -> Iterator[SourceFrame]:
        yield self._frame
