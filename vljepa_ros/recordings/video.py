# SPDX-License-Identifier: Apache-2.0
"""Images from a video file, read with OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame

_DEFAULT_RATE_HZ = 25.0  # for files that do not tell theirs


class VideoSource(Source):
    """A video file; the stamps are the file's presentation times, so uneven rates stay uneven."""

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first image.

        Raises:
            SourceError: the file is no video that OpenCV can decode.
        """
        super().__init__(f"video {path}")
        self._path = path
        first = next(self.frames(), None)
        if first is None:
            raise SourceError(
                f"{path} is not a video that OpenCV can decode: it is damaged, incomplete or in "
                f"an unknown format; `ffmpeg -i {path.name} -c:v libx264 fixed.mp4` may repair it"
            )

    def _images(self) -> Iterator[SourceFrame]:
        """Yield all images; stops at the first that cannot be decoded, and counts it."""
        capture = cv2.VideoCapture(str(self._path))
        try:
            promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            count = 0
            for frame in _decoded(capture):
                count += 1
                yield frame
            if 0 < count < promised - 1:  # containers may promise one image too many
                self.problems[f"video ended after {count} of {promised} images"] += 1
        finally:
            capture.release()


def _decoded(capture: cv2.VideoCapture) -> Iterator[SourceFrame]:
    rate = capture.get(cv2.CAP_PROP_FPS)
    period_ns = round(1e9 / (rate if 0.1 < rate < 1000 else _DEFAULT_RATE_HZ))
    last_ns = -period_ns
    while True:
        good, image = capture.read()
        if not good:
            return
        stamp_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        if stamp_ns <= last_ns:  # the container gave no usable time
            stamp_ns = last_ns + period_ns
        last_ns = stamp_ns
        yield pixel_frame(image, "bgr8", stamp_ns)
