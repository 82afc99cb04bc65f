# SPDX-License-Identifier: Apache-2.0
"""Single images of recordings as JPEG: thumbnails, and the picture until a video is ready."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import ImageError
from vljepa_ros.views.jpeg import jpeg


class FramePictures:
    """Pictures of recordings by time. The recording that was asked for last stays open."""

    def __init__(self) -> None:
        """Begin with none open."""
        self._open: tuple[tuple[Path, str], Source, ExitStack] | None = None
        self._one_at_a_time = threading.Lock()  # decoding more at once would only swap cores

    def jpeg(self, path: Path, topic: str, time_s: float, width: int) -> bytes:
        """Return the image that is shown at a time.

        Args:
            path: the recording.
            topic: image topic of a bag; "" means that the bag's reader chooses.
            time_s: seconds from the first image.
            width: at most so many columns.

        Raises:
            SourceError: the recording cannot be read.
        """
        with self._one_at_a_time:
            return jpeg(_shown_at(self._source(path, topic), time_s), width)

    def _source(self, path: Path, topic: str) -> Source:
        if self._open is not None and self._open[0] == (path, topic) and path.exists():
            return self._open[1]
        if self._open is not None:
            self._open[2].close()
            self._open = None
        closing = ExitStack()
        source = closing.enter_context(opened_clip(path, topic))
        self._open = ((path, topic), source, closing)
        return source


def rgb(frame: SourceFrame) -> NDArray[np.uint8]:
    """Return the pixels of a frame (H, W, 3).

    Raises:
        SourceError: they cannot be decoded.
    """
    try:
        return rgb_pixels(frame)
    except ImageError as error:
        raise SourceError(str(error)) from error


def _shown_at(source: Source, time_s: float) -> NDArray[np.uint8]:
    shown: Any = None
    for frame in source.frames(time_s):
        if shown is not None and frame.stamp_ns > time_s * 1e9 + 1e6:  # a millisecond of rounding
            break
        shown = frame
    if shown is None:
        raise SourceError(f"{source.name} gives no image")
    return rgb(shown)
