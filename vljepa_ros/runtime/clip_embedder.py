# SPDX-License-Identifier: Apache-2.0
"""Frames in, embeddings of the newest clip out. Knows the model and time, not ROS.

Every frame passes the frame encoder once; its features wait in the window for the clips that they
are part of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import parse_queries
from vljepa_ros.stream.clip_window import Clip, ClipWindow
from vljepa_ros.stream.frame import Frame


class NoClipError(ValueError):
    """A question came before the first clip was complete."""


@dataclass(frozen=True)
class Embedded:
    """Unit vectors (dimension) by query for the clip from ``start_ns`` to ``end_ns``."""

    start_ns: int
    end_ns: int
    vectors: Mapping[str, NDArray[np.float32]]


class ClipEmbedder:
    """Runs the model on a stream, in one thread; queries may be replaced from another."""

    def __init__(self, model: VLJepa, queries: Sequence[str]) -> None:
        """Start without a frame.

        Args:
            model: a loaded model.
            queries: what it is asked, as :mod:`.queries` describes.

        Raises:
            ValueError: a query cannot be used.
        """
        self._model = model
        self._window = ClipWindow(model.bundle.clip.frames, model.bundle.clip.rate_hz)
        self._clip: Clip | None = None
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

    def add(self, frame: Frame) -> Embedded | None:
        """Take the next frame; return the embeddings, or None until the first clip is complete.

        Raises:
            BackendError: the model failed.
        """
        if frame.restart:
            self.clear()
        self._window.push(frame.stamp_ns, self._model.encode_frame(frame.image))
        clip = self._clip = self._window.clip()
        if clip is None:
            return None
        queries = self._queries
        vectors = self._model.embed(clip.frames, list(queries.values()))
        return Embedded(clip.start_ns, clip.end_ns, dict(zip(queries, vectors, strict=True)))

    def ask(self, question: str, answers: Sequence[str]) -> tuple[int, NDArray[np.float32]]:
        """Return the stamp (ns) of the newest clip and the score of each answer about it.

        Raises:
            NoClipError: there is no clip yet.
            ValueError: the question or an answer is empty, or there is no answer.
            BackendError: the model failed.
        """
        clip = self._clip
        if clip is None:
            raise NoClipError("no clip is complete yet: are images coming?")
        (vector,) = self._model.embed(clip.frames, [question])
        return clip.end_ns, self._model.answer(vector, answers)

    def clear(self) -> None:
        """Forget the stream."""
        self._window.clear()
        self._clip = None
