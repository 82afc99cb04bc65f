# SPDX-License-Identifier: Apache-2.0
"""Streams of cameras for a model with a memory: each frame passes the X-Encoder once.

A memory holds frames at the rate that the model was trained with. A camera may be faster: then
every frame is seen, and those that are due stay. So the memory spans the same seconds at any rate.
The frames that a new one is seen with are cut by time from a short window, as clips are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.stream_memory import StreamMemory
from vljepa_ros.runtime.windowed_streams import SeenStream, StampedFeatures
from vljepa_ros.stream.clip_window import ClipWindow

DUE = 0.75  # of a period after the newest frame that stays, so that jitter skips none


class _Newest(NamedTuple):
    """The newest frames of a camera, and the memory that the last of them was seen with."""

    stamp_ns: int
    window: Sequence[NDArray[Any]]
    before: StreamMemory


class RememberedStreams:
    """A memory of each camera; see :class:`~.windowed_streams.CameraStreams`."""

    def __init__(self, model: VLJepa, cameras: Sequence[str]) -> None:
        self._model = model
        clip, memory = model.bundle.clip, model.bundle.memory
        assert memory is not None, "it is what tells these streams from others"
        self._span_ns = clip.frames * 1e9 / clip.rate_hz
        self._due_ns = DUE * 1e9 / clip.rate_hz
        self._length = memory.window
        self._windows = {name: ClipWindow(memory.window, clip.rate_hz) for name in cameras}
        self._memories = {name: model.empty_memory() for name in cameras}
        self._newest: dict[str, _Newest] = {}

    def add(
        self, frames: Mapping[str, StampedFeatures], questions: Sequence[str]
    ) -> dict[str, SeenStream]:
        """Return what is seen by each camera, from its first frame on."""
        for camera, frame in frames.items():
            self._begin_anew(camera, frame.stamp_ns)
            window = self._window(camera, frame)
            self._newest[camera] = _Newest(frame.stamp_ns, window, self._memories[camera])
        seen, after = self._see({camera: self._newest[camera] for camera in frames}, questions)
        for camera, memory in after.items():
            if self._is_due(camera, memory.stamps_ns[0]) and _is_finite(seen[camera]):
                self._memories[camera] = memory
        return seen

    def ask(self, camera: str, question: str) -> SeenStream | None:
        """Return what is seen in the newest frame, and the memory stays as it is."""
        newest = self._newest.get(camera)
        return None if newest is None else self._see({camera: newest}, [question])[0][camera]

    def clear(self, camera: str) -> None:
        """Forget the stream of a camera."""
        self._memories[camera] = self._model.empty_memory()
        self._windows[camera].clear()
        self._newest.pop(camera, None)

    def _begin_anew(self, camera: str, stamp_ns: int) -> None:
        """Forget a stream that a frame does not continue.

        A frame that is not newer than the last one is of another time line, and after a gap as
        long as the memory nothing in it is near enough.
        """
        newest, memory = self._newest.get(camera), self._memories[camera]
        back = newest is not None and stamp_ns <= newest.stamp_ns
        if back or (memory.stamps_ns and stamp_ns - memory.stamps_ns[0] >= self._span_ns):
            self.clear(camera)

    def _window(self, camera: str, frame: StampedFeatures) -> Sequence[NDArray[Any]]:
        """Return the window that ends with a frame; before the first one the stream stands still.

        A frame that is not finite is seen alone, and is in no later window.
        """
        window = self._windows[camera]
        if not np.isfinite(frame.features).all():
            return [frame.features] * self._length
        window.push(*frame)
        return window.extended().frames

    def _is_due(self, camera: str, stamp_ns: int) -> bool:
        kept = self._memories[camera].stamps_ns
        return not kept or stamp_ns - kept[0] >= self._due_ns

    def _see(
        self, newest: Mapping[str, _Newest], questions: Sequence[str]
    ) -> tuple[dict[str, SeenStream], dict[str, StreamMemory]]:
        stamps, windows, before = zip(*newest.values(), strict=True)
        clips, after = self._model.see_frames(windows, stamps, before, questions)
        seen = {
            camera: SeenStream(memory.oldest_ns, memory.stamps_ns[0], *each)
            for camera, memory, *each in zip(newest, after, *clips, strict=True)
        }
        return seen, dict(zip(newest, after, strict=True))


def _is_finite(seen: SeenStream) -> bool:
    """Whether a frame may stay: what is not a number would spoil all that see it."""
    return bool(np.isfinite(seen.features).all() and np.isfinite(seen.vectors).all())
