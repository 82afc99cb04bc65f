# SPDX-License-Identifier: Apache-2.0
"""From frames to embeddings of the newest clips of each camera.

Every frame passes the frame encoder once; its features go into the stream of its camera, which is
a window (:mod:`.windowed_streams`) or a memory (:mod:`.remembered_streams`), as the model has it.
What several cameras saw at the same time goes through the model in one run. The name of a single
camera may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.runtime.remembered_streams import RememberedStreams
from vljepa_ros.runtime.windowed_streams import CameraStreams, StampedFeatures, WindowedStreams
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
        self._model, self._cameras = model, tuple(cameras)
        streams = WindowedStreams if model.bundle.memory is None else RememberedStreams
        self._streams: CameraStreams = streams(model, cameras)
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
                self._streams.clear(camera)
        features = self._model.encode_frames([frame.image for frame in frames.values()])
        stamped = {
            camera: StampedFeatures(frame.stamp_ns, of_frame)
            for (camera, frame), of_frame in zip(frames.items(), features, strict=True)
        }
        queries = self._queries
        found = self._streams.add(stamped, list(queries.values()))
        return {
            camera: ClipEmbeddings(
                seen.start_ns,
                seen.end_ns,
                dict(zip(queries, seen.vectors, strict=True)),
                self._model.unfamiliarity(seen.features),
                seen.features,
            )
            for camera, seen in found.items()
        }

    def ask(self, question: str, answers: Sequence[str], camera: str = "") -> ClipAnswer:
        """Score candidate answers to a question about a camera's newest clip.

        An empty name stands for the only camera.

        Raises:
            NoClipError: there is no clip yet, or no such camera.
            ValueError: the question or an answer is empty, or there is no answer.
            BackendError: the model failed.
        """
        if not camera and len(self._cameras) == 1:
            (camera,) = self._cameras
        if camera not in self._cameras:
            known = ", ".join(filter(None, self._cameras)) or "a single one, which has no name"
            raise NoClipError(f"no camera {camera!r}; there is {known}")
        seen = self._streams.ask(camera, question)
        if seen is None:
            raise NoClipError("no clip is complete yet: are images coming?")
        cosines = self._model.similarities(seen.vectors[0], answers)
        return ClipAnswer(seen.end_ns, self._model.scores(cosines), cosines)

    def clear(self) -> None:
        """Forget the streams."""
        for camera in self._cameras:
            self._streams.clear(camera)
