# SPDX-License-Identifier: Apache-2.0
"""Streams of cameras for a model that sees whole clips: a window of each camera cuts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.clip_window import Clip, ClipWindow


class StampedFeatures(NamedTuple):
    """What clips are made of: the features of a frame, and its stamp."""

    stamp_ns: int
    features: NDArray[Any]


class SeenStream(NamedTuple):
    """What a model sees at the newest frame of a stream.

    Attributes:
        start_ns: stamp of the oldest frame that it sees.
        end_ns: stamp of the newest one.
        vectors: unit vectors (Q, dimension).
        features: (F), see :class:`~.model.SeenClips`.
    """

    start_ns: int
    end_ns: int
    vectors: NDArray[np.float32]
    features: NDArray[np.float32]


class CameraStreams(Protocol):
    """Streams of cameras on their way through a model."""

    def add(
        self, frames: Mapping[str, StampedFeatures], questions: Sequence[str]
    ) -> dict[str, SeenStream]:
        """Take the next frame of some cameras; return what is seen by those who see something."""

    def ask(self, camera: str, question: str) -> SeenStream | None:
        """Ask about the newest frame of a camera once more; None if nothing is seen yet."""

    def clear(self, camera: str) -> None:
        """Forget the stream of a camera."""


class WindowedStreams:
    """The newest frames of each camera, and clips of them; see :class:`CameraStreams`."""

    def __init__(self, model: VLJepa, cameras: Sequence[str]) -> None:
        self._model = model
        shape = model.bundle.clip
        self._windows = {name: ClipWindow(shape.frames, shape.rate_hz) for name in cameras}
        self._clips: dict[str, Clip] = {}

    def add(
        self, frames: Mapping[str, StampedFeatures], questions: Sequence[str]
    ) -> dict[str, SeenStream]:
        """Return what is seen by each camera whose clip is complete."""
        for camera, frame in frames.items():
            self._push(camera, frame)
        clips = {camera: self._clips[camera] for camera in frames if camera in self._clips}
        return self._see(clips, questions)

    def ask(self, camera: str, question: str) -> SeenStream | None:
        """Return what is seen in the newest clip; None if none is complete."""
        clip = self._clips.get(camera)
        return None if clip is None else self._see({camera: clip}, [question])[camera]

    def clear(self, camera: str) -> None:
        """Forget the frames of a camera."""
        self._windows[camera].clear()
        self._clips.pop(camera, None)

    def _see(self, clips: Mapping[str, Clip], questions: Sequence[str]) -> dict[str, SeenStream]:
        if not clips:
            return {}
        found = self._model.see_clips([clip.frames for clip in clips.values()], questions)
        return {
            camera: SeenStream(clip.start_ns, clip.end_ns, *seen)
            for (camera, clip), *seen in zip(clips.items(), *found, strict=True)
        }

    def _push(self, camera: str, frame: StampedFeatures) -> None:
        window = self._windows[camera]
        window.push(frame.stamp_ns, frame.features)
        clip = window.clip()
        if clip is None:
            self._clips.pop(camera, None)
        else:
            self._clips[camera] = clip
