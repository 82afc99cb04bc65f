# SPDX-License-Identifier: Apache-2.0
"""Shows colours to an embedder, frame by frame, as a camera with the test's own stamps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from support.colour_bundle import scene_frame
from support.ros import Camera, Inbox
from vljepa_ros.nodes.common.conversions import to_ns

MS = 1_000_000
START = 1_000_000_000_000
PERIOD = 100 * MS
CLIP = 300 * MS  # length of the colour bundle's clip: 4 frames at 10 Hz
_ROLLING = 40  # frames within which the first clip must be complete


class Film:
    """Sends one frame after the other, each when the one before it has been embedded."""

    def __init__(
        self,
        camera: Camera,
        embeddings: Inbox,
        start_ns: int = START,
        frame_id: str = "camera",
        picture: Callable[[str], NDArray[np.uint8]] = scene_frame,
    ) -> None:
        self.next_ns = start_ns
        self._picture = picture
        self._camera = camera
        self._embeddings = embeddings
        self._frame_id = frame_id

    def roll(self, colour: str) -> int:
        """Show a colour until the first clip is embedded; return its stamp.

        Frames may replace each other before the first embedding, so their number is not fixed.
        """
        before = len(self._embeddings)
        for _ in range(_ROLLING):
            stamp = self.shoot(colour)
            if self._embeddings.has(before + 1, deadline_s=0.05):
                break
        self._wait(stamp)
        return to_ns(self._embeddings[before].header.stamp)

    def show(self, colour: str, frames: int) -> list[int]:
        """Show a colour for some frames and wait for each embedding; return the stamps."""
        stamps = []
        for _ in range(frames):
            stamps.append(self.shoot(colour))
            self._wait(stamps[-1])
        return stamps

    def shoot(self, colour: str) -> int:
        """Send one frame and return its stamp, without waiting for anything."""
        stamp = self.next_ns
        self._camera.send(self._picture(colour), stamp, self._frame_id)
        self.next_ns += PERIOD
        return stamp

    def _wait(self, stamp: int) -> None:
        self._embeddings.wait_for(
            lambda message: to_ns(message.header.stamp) == stamp, f"stamp {stamp}"
        )
