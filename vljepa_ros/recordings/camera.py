# SPDX-License-Identifier: Apache-2.0
"""Images from a camera at this machine (Video4Linux), read with OpenCV.

On a robot the camera's own ROS driver is the better choice; this is for trying a webcam.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame


class CameraSource(Source):
    """A camera device; it ends when the device stops giving images."""

    live = True

    def __init__(self, device: int | str) -> None:
        """Open the device, by number or path, and take a first image.

        Raises:
            SourceError: the device cannot be opened or gives no image.
        """
        super().__init__(f"camera {device}")
        self._capture = cv2.VideoCapture(device)
        if not (self._capture.isOpened() and self._capture.read()[0]):
            self._capture.release()
            raise SourceError(
                f"camera {device} gives no image: is it plugged in, may this user read it "
                "(group `video`), and does no other program use it?"
            )

    def _images(self) -> Iterator[SourceFrame]:
        """Yield images as the camera gives them, stamped with the steady clock."""
        while True:
            good, image = self._capture.read()
            if not good:
                self.problems["camera stopped giving images"] += 1
                return
            yield pixel_frame(image, "bgr8", time.monotonic_ns())

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()
