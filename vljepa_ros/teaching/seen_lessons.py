# SPDX-License-Identifier: Apache-2.0
"""Lessons as the frozen trunk sees them, in as many variations as the material allows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.runtime.query_encoder import QueryTokens
from vljepa_ros.teaching.taught_clips import ClipCut, TaughtClips
from vljepa_ros.teaching.taught_recording import Lessons
from vljepa_ros.teaching.trunk_cache import TrunkCache

CLIPS_PER_FRAME = 2
"""Clips end at twice the rate of their frames."""


class FrozenParts(Protocol):
    """What stays as it is: the trunk and the text side of the bundle that is taught further."""

    def encode_frames(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return feature maps (B, C, h, w) of RGB images."""

    def encode_query(self, text: str) -> QueryTokens:
        """Return the tokens of a query."""

    def embed_text(self, text: str) -> NDArray[np.float32]:
        """Return the unit embedding of a text."""


class SeenLessons:
    """Cuts clips out of lessons; what the trunk saw is kept in a folder."""

    def __init__(
        self, config: ModelConfig, runtime: FrozenParts, folder: Path, rate_hz: float
    ) -> None:
        """Take the trunk.

        Args:
            config: of the model that is taught further.
            runtime: its frozen parts.
            folder: keeps what the trunk saw.
            rate_hz: of the frames of a clip.
        """
        self._cut = ClipCut(tuple(range(config.clip_frames))[::-1], CLIPS_PER_FRAME)
        rate = CLIPS_PER_FRAME * rate_hz
        side = config.frame_pixels
        probe = np.zeros((1, side, side, 3), np.uint8)
        probe[..., 0, 0, :] = 255
        mark = hashlib.sha256(np.float32(runtime.encode_frames(list(probe))).tobytes())
        self._runtime = runtime
        self._cache = TrunkCache(folder, self._encode, mark.hexdigest(), rate)

    def copies(self, lessons: Lessons, wanted: int, most_frames: int) -> int:
        """Return how many variations of each recording are made: fewer of much material."""
        frames = sum(self._cache.count(each) for each in lessons.recordings)
        return min(wanted, max(1, most_frames // max(frames, 1) - 1))

    def clips(
        self,
        lessons: Lessons,
        copies: int,
        on_progress: Callable[[float], None] = lambda done: None,
        stop: Event | None = None,
    ) -> TaughtClips:
        """Return the clips of recordings as they are, and of ``copies`` variations of each.

        After a stop only those variations count that were seen before.
        """
        jobs = [(n, copy) for copy in range(copies + 1) for n in range(len(lessons.recordings))]
        seen = []
        for done, (n, copy) in enumerate(jobs):
            recording = lessons.recordings[n]
            stopped = stop is not None and stop.is_set()
            if copy and stopped and self._cache.missing(recording, copy):
                continue
            seen.append((n, self._cache.get(recording, copy)))
            on_progress((done + 1) / len(jobs))
        return TaughtClips(lessons, seen, self._cut)

    def _encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._runtime.encode_frames(list(frames))
