# SPDX-License-Identifier: Apache-2.0
"""H.264 in an mp4 file, with each picture at its own time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_TIME_BASE = Fraction(1, 1000)
_OPTIONS = {"preset": "veryfast", "crf": "22"}


class Mp4Writer:
    """Write pictures of one even size; the file is made with the first of them."""

    def __init__(self, path: Path, key_every: int = 250) -> None:
        """Take the path of the file.

        Args:
            path: is written over if it exists.
            key_every: images from one at which decoding can begin to the next, at most.
        """
        self._path = path.absolute()  # FFmpeg takes what stands before a colon for a protocol
        self._options = {**_OPTIONS, "g": str(key_every)}
        self._container: Any = None
        self._stream: Any = None
        self._shape: tuple[int, ...] = ()
        self._first_ns = 0
        self._last_ms = -1

    def __enter__(self) -> Mp4Writer:
        """Return self; the file is finished at the end of the block."""
        return self

    def write(self, stamp_ns: int, picture: NDArray[np.uint8]) -> bool:
        """Add an RGB picture (H, W, 3); False if its size or time does not follow."""
        if self._container is None:
            self._open(picture.shape)
            self._first_ns = stamp_ns
        time_ms = (stamp_ns - self._first_ns) // 1_000_000
        if picture.shape != self._shape or time_ms <= self._last_ms:
            return False
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = time_ms, _TIME_BASE
        self._container.mux(self._stream.encode(frame))
        self._last_ms = time_ms
        return True

    def _open(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._container = av.open(str(self._path), "w", options={"movflags": "+faststart"})
        self._stream = self._container.add_stream("libx264", rate=30, options=self._options)
        self._stream.height, self._stream.width = shape[:2]
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TIME_BASE
        self._stream.codec_context.thread_count = 1  # the cores are the nodes'

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file."""
        if self._container is None:
            return
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()
