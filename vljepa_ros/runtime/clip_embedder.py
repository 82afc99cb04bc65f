# SPDX-License-Identifier: Apache-2.0
"""From frames to embeddings of the newest clips of each camera.

Every frame passes the frame encoder once; its features wait in the window of its camera for the
clips that they are part of. What several cameras saw at the same time goes through the model in
one run. The name of a single camera may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.stream.clip_window import Clip, ClipWindow
from vljepa_ros.stream.image_faults import ImageFault

ONE_CAMERA = ("",)


class NoClipError(ValueError):
    """A question came before the first clip was complete, or named no known camera."""


@dataclass(frozen=True)
class Frame:
    """An RGB frame of the model's size on its way to the model.

    Attributes:
        stamp_ns: stamp of the image.
        frame_id: optical frame of the camera.
        image: uint8 (H, W, 3).
        restart: whether no older frame belongs to the same stream.
        fault: what is wrong with the image.
    """

    stamp_ns: int
    frame_id: str
    image: NDArray[np.uint8]
    restart: bool
    fault: ImageFault = ImageFault.NO_FAULT


def newest_of_each(old: Mapping[str, Frame], new: Mapping[str, Frame]) -> dict[str, Frame]:
    """Return what takes the place of frames that still wait, by camera: the newest of each.

    A restart is not lost with the frame that it came with.
    """
    cut = {camera for camera, frame in old.items() if frame.restart}
    newest = {
        camera: replace(frame, restart=True) if camera in cut else frame
        for camera, frame in new.items()
    }
    return {**old, **newest}


@dataclass(frozen=True)
class ClipEmbeddings:
    """What the model says of a clip, and what it sees in it.

    Attributes:
        start_ns: stamp of the oldest frame.
        end_ns: stamp of the newest frame.
        vectors: unit vectors (dimension) by query.
        unfamiliarity: share, 0..1, of known recordings that show nothing as strange;
            NaN if the bundle has no statistics.
        features: what is seen before any query (:mod:`.scene_features`); of the same length for
            all clips of a model.
    """

    start_ns: int
    end_ns: int
    vectors: Mapping[str, NDArray[np.float32]]
    unfamiliarity: float
    features: NDArray[np.float32]

    @property
    def is_finite(self) -> bool:
        """Whether all vectors can be used; a model may fail for the clip of one camera alone."""
        return all(np.isfinite(vector).all() for vector in self.vectors.values())


@dataclass(frozen=True)
class ClipAnswer:
    """How well candidate answers fit the clip that ends at ``end_ns``.

    Attributes:
        end_ns: stamp of the clip's newest frame.
        scores: (number of answers), probabilities among these answers.
        cosines: (number of answers), each independent of the others.
    """

    end_ns: int
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]


class ClipEmbedder:
    """Runs the model on the streams of cameras, in one thread.

    Queries, which are the same for all cameras, may be replaced from another thread.
    """

    def __init__(
        self, model: VLJepa, queries: Sequence[str], cameras: Sequence[str] = ONE_CAMERA
    ) -> None:
        """Start without a frame.

        Args:
            model: a loaded model.
            queries: what it is asked, as :mod:`.queries` describes.
            cameras: their names.

        Raises:
            ValueError: a query cannot be used.
        """
        self._model = model
        shape = model.bundle.clip
        self._windows = {name: ClipWindow(shape.frames, shape.rate_hz) for name in cameras}
        self._clips: dict[str, Clip] = {}
        self.use_queries(queries)

    @property
    def queries(self) -> Mapping[str, str]:
        """The active queries, name to text, in the order of the embeddings."""
        return self._queries

    def use_queries(self, entries: Sequence[str]) -> None:
        """Replace the queries, all or none.

        Raises:
            ValueError: one cannot be used.
            BackendError: the model failed.
        """
        queries = parse_queries(entries, self._model.bundle.queries)
        for text in queries.values():
            self._model.encode_query(text)  # now, and not while a clip waits
        self._queries = queries

    def add(self, frames: Mapping[str, Frame]) -> dict[str, ClipEmbeddings]:
        """Take the next frame of some cameras, at least of one.

        Returns:
            The embeddings by camera, but for those whose first clip is not complete yet.

        Raises:
            BackendError: the model failed for all of them.
        """
        for camera, frame in frames.items():
            if frame.restart:
                self._windows[camera].clear()
        features = self._model.encode_frames([frame.image for frame in frames.values()])
        for (camera, frame), seen in zip(frames.items(), features, strict=True):
            self._push(camera, frame.stamp_ns, seen)
        clips = {camera: self._clips[camera] for camera in frames if camera in self._clips}
        if not clips:
            return {}
        queries = self._queries
        found = self._model.see_clips(
            [clip.frames for clip in clips.values()], list(queries.values())
        )
        return {
            camera: ClipEmbeddings(
                clip.start_ns,
                clip.end_ns,
                dict(zip(queries, vectors, strict=True)),
                self._model.unfamiliarity(seen),
                seen,
            )
            for (camera, clip), vectors, seen in zip(clips.items(), *found, strict=True)
        }

    def ask(self, question: str, answers: Sequence[str], camera: str = "") -> ClipAnswer:
        """Score candidate answers to a question about a camera's newest clip.

        An empty name stands for the only camera.

        Raises:
            NoClipError: there is no clip yet, or no such camera.
            ValueError: the question or an answer is empty, or there is no answer.
            BackendError: the model failed.
        """
        if not camera and len(self._windows) == 1:
            (camera,) = self._windows
        if camera not in self._windows:
            known = ", ".join(filter(None, self._windows)) or "a single one, which has no name"
            raise NoClipError(f"no camera {camera!r}; there is {known}")
        clip = self._clips.get(camera)
        if clip is None:
            raise NoClipError("no clip is complete yet: are images coming?")
        (vector,) = self._model.embed(clip.frames, [question])
        cosines = self._model.similarities(vector, answers)
        return ClipAnswer(clip.end_ns, self._model.scores(cosines), cosines)

    def clear(self) -> None:
        """Forget the streams."""
        for window in self._windows.values():
            window.clear()
        self._clips.clear()

    def _push(self, camera: str, stamp_ns: int, seen: NDArray[Any]) -> None:
        window = self._windows[camera]
        window.push(stamp_ns, seen)
        clip = window.clip()
        if clip is None:
            self._clips.pop(camera, None)
        else:
            self._clips[camera] = clip
