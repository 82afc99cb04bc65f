# SPDX-License-Identifier: Apache-2.0
"""The run as a video, drawn while it happens by the visualizer's own code.

Drawing and encoding have a thread of their own, so that they do not delay the receipt of messages
that is being measured. If they cannot keep up, images are left out of the video and counted.
"""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.mp4 import Mp4Writer
from vljepa_ros.views.board import BoardView
from vljepa_ros.views.overlay import OverlayPainter

_MOST_WAITING = 60


class AnnotatedVideo:
    """Draws overlays and writes them to a video, until the end of its block.

    Attributes:
        error: what ended the writing early, if anything did; to be read after the block.
    """

    def __init__(self, path: Path, painter: OverlayPainter) -> None:
        """Start the thread; the first image makes the file."""
        self.error: Exception | None = None
        self._refused = 0  # counted by the caller's thread
        self._unwritten = 0  # counted by the thread that writes
        self._path = path
        self._painter = painter
        self._waiting: queue.Queue[tuple[int, NDArray[np.uint8], BoardView] | None]
        self._waiting = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="annotated video", daemon=True)
        self._thread.start()

    @property
    def left_out(self) -> int:
        """The number of images that were handed over and are missing in the video."""
        return self._refused + self._unwritten

    def add(self, stamp_ns: int, image: NDArray[np.uint8], view: BoardView) -> None:
        """Hand over one RGB image (H, W, 3), uint8, and what is to be shown beside it."""
        try:
            self._waiting.put_nowait((stamp_ns, image, view))
        except queue.Full:
            self._refused += 1

    def __enter__(self) -> AnnotatedVideo:
        """Return self; the file is finished at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is waiting and finish the file."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        handed_over = iter(self._waiting.get, None)
        try:
            with Mp4Writer(self._path) as video:
                for stamp_ns, image, view in handed_over:
                    if not video.write(stamp_ns, self._painter.draw(image, view)):
                        self._unwritten += 1
        except Exception as error:  # the run goes on without its video, and says so at the end
            self.error = error
            self._unwritten += 1 + sum(1 for _ in handed_over)
