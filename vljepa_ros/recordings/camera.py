# SPDX-License-Identifier: Apache-2.0
"""Images from a camera at this machine (Video4Linux), read with OpenCV.

On a robot the camera's own ROS driver is the better choice; this is for trying a webcam.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import cv2
from numpy.typing import NDArray

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame

_T = TypeVar("_T")


class CameraSource(Source):
    """A camera device; it ends when the device stops giving images."""

    live = True

    def __init__(self, device: int | str, patience_s: float = 15.0) -> None:
        """Open the device and take a first image.

        Args:
            device: its number or path.
            patience_s: how long an image may take, also the first, before the device counts as
                silent. Webcams need some seconds to begin.

        Raises:
            SourceError: the device cannot be opened or gives no image.
        """
        super().__init__(f"camera {device}")
        self._patience_s = patience_s
        self._silent = False
        capture = self._in_time(lambda: _opened(device))
        if capture is None:
            raise SourceError(
                f"camera {device} gives no image: is it plugged in, may this user read it "
                "(group `video`), and does no other program use it?"
            )
        self._capture = capture

    def _images(self) -> Iterator[SourceFrame]:
        """Yield images as the camera gives them, stamped with the steady clock."""
        while True:
            image = self._in_time(lambda: _image(self._capture))
            if image is None:
                self.problems["camera stopped giving images"] += 1
                return
            yield pixel_frame(image, "bgr8", time.monotonic_ns())

    def close(self) -> None:
        """Give the device back, unless a reading of it never returned."""
        if not self._silent:
            self._capture.release()

    def _in_time(self, call: Callable[[], _T | None]) -> _T | None:
        """Return what a call gives, or None if it takes too long: drivers may wait for ever."""
        answer: queue.SimpleQueue[_T | None] = queue.SimpleQueue()
        threading.Thread(target=lambda: answer.put(call()), daemon=True).start()
        try:
            return answer.get(timeout=self._patience_s)
        except queue.Empty:
            self._silent = True
            return None


def _opened(device: int | str) -> cv2.VideoCapture | None:
    """Return an open device that gave an image, or None."""
    capture = cv2.VideoCapture(device)
    if capture.isOpened() and _image(capture) is not None:
        return capture
    capture.release()
    return None


def _image(capture: cv2.VideoCapture) -> NDArray[Any] | None:
    good, image = capture.read()
    return image if good else None
