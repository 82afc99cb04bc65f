# SPDX-License-Identifier: Apache-2.0
"""Frames that come while the model loads.

A clip spans a second or more. If its frames were awaited only once the model is there, a process
that starts anew would be blind for that much longer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import Frame

_MAX_FRAMES = 256  # of one camera


class EarlyFrames:
    """Keeps the newest frames of each camera, as many as the first clip needs."""

    def __init__(self, bundle: Bundle, rate_hz: float) -> None:
        """Keep nothing yet; ``rate_hz`` is that of the frames."""
        clip = bundle.clip
        count = math.ceil((clip.frames - 1) * max(rate_hz / clip.rate_hz, 1.0)) + 1
        self._length = min(count, _MAX_FRAMES)
        self._frames: dict[str, deque[Frame]] = {}

    def add(self, camera: str, frame: Frame) -> None:
        """Keep a frame; the oldest goes if there are enough."""
        frames = self._frames.setdefault(camera, deque(maxlen=self._length))
        if frame.restart:
            frames.clear()  # they belong to another stream
        frames.append(frame)

    def take(self) -> Iterator[tuple[str, Frame]]:
        """Yield the frames with the names of their cameras, and forget them."""
        for camera, frames in self._frames.items():
            for frame in frames:
                yield camera, frame
        self._frames = {}
