# SPDX-License-Identifier: Apache-2.0
"""State events of one camera: one change detector per query, and what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason
from vljepa_ros.stream.segment import Segment, join


class NothingToDescribeError(LookupError):
    """There is no such query, or nothing came for it yet."""


@dataclass(frozen=True)
class StateEvent:
    """The state of a query is to be decoded, or its stream has ended.

    Attributes:
        camera: name of the camera; empty if there is only one, without a name.
        query: name of the query.
        frame_id: of the newest embedding.
        decode: the state; None if the stream has ended. Its ``ended`` is of the same stream.
        ended_streams: the last segment of each earlier stream, oldest first. There is more than
            one only if the stream was cut again while an earlier event waited.
    """

    camera: str
    query: str
    frame_id: str
    decode: Decode | None
    ended_streams: tuple[Segment, ...] = ()

    @property
    def ends_stream(self) -> bool:
        """Whether an earlier stream of the query has ended."""
        return self.decode is None or self.decode.reason is Reason.FIRST

    def merged(self, newer: StateEvent) -> StateEvent:
        """Return what takes the place of this event if it still waits when ``newer`` comes.

        The newest state is decoded, with the more important of both reasons: a first state or a
        change stays one although a refresh came after it. If the stream has ended, nothing is
        decoded. All segments that ended are kept. ``newer`` itself is not a merged event.
        """
        ended = self.decode.ended if self.decode else None
        if newer.decode is None or newer.ends_stream:
            last = newer.ended_streams[0] if newer.ended_streams else None
            streams = (*self.ended_streams, *_present(join(ended, last)))
            return replace(newer, ended_streams=streams)
        reason = newer.decode.reason
        if self.decode is not None:
            reason = min(self.decode.reason, reason)
        ended = join(ended, newer.decode.ended)
        decode = replace(newer.decode, reason=reason, ended=ended)
        return replace(newer, decode=decode, ended_streams=self.ended_streams)


class StateEventDetector:
    """Finds the state events of all queries of one camera. For one thread."""

    def __init__(self, config: ChangeConfig, camera: str = "") -> None:
        """Start without a sample."""
        self._config = config
        self._camera = camera
        self._detectors: dict[str, ChangeDetector] = {}
        self._frame_ids: dict[str, str] = {}
        self._texts: Mapping[str, str] = {}

    def update(
        self,
        query: str,
        stamp_ns: int,
        embedding: NDArray[np.float32],
        frame_id: str,
        signal: NDArray[np.float64] | None = None,
    ) -> StateEvent | None:
        """Take the next embedding (dimension) of a query; return an event if there is one.

        Args:
            query: name of the query.
            stamp_ns: stamp of the embedding.
            embedding: (dimension).
            frame_id: of the camera.
            signal: what is compared to find changes; None is the embedding itself.

        Raises:
            EmbeddingError: the embedding cannot be used; nothing has changed.
        """
        detector = self._detectors.get(query) or ChangeDetector(self._config)
        decode = detector.update(stamp_ns, embedding, signal)
        self._detectors[query] = detector
        self._frame_ids[query] = frame_id
        if decode is None:
            return None
        if decode.reason is Reason.FIRST:  # what ended with it was of the stream before
            first = replace(decode, ended=None)
            return StateEvent(self._camera, query, frame_id, first, _present(decode.ended))
        return StateEvent(self._camera, query, frame_id, decode)

    def force(self, query: str) -> StateEvent:
        """Return the state of a query as it is now; an empty name stands for the only one.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        if not query and len(self._detectors) == 1:
            (query,) = self._detectors
        detector = self._detectors.get(query)
        decode = detector.force() if detector else None
        if decode is None:
            known = ", ".join(self._detectors) or "none so far"
            raise NothingToDescribeError(f"no embedding of query {query!r} yet; known: {known}")
        return StateEvent(self._camera, query, self._frame_ids[query], decode)

    def set_config(self, config: ChangeConfig) -> None:
        """Change the thresholds and times of every query."""
        self._config = config
        for detector in self._detectors.values():
            detector.config = config

    def keep_only(self, texts: Mapping[str, str]) -> list[StateEvent]:
        """Forget queries that are not asked any more, or whose text has changed.

        Args:
            texts: text of each query that is asked, by name.

        Returns:
            The ends of their streams.
        """
        gone = [
            query
            for query in self._detectors
            if query not in texts or self._texts.get(query, texts[query]) != texts[query]
        ]
        self._texts = texts
        return [self._end(query) for query in gone]

    def end(self, queries: Iterable[str]) -> list[StateEvent]:
        """Forget the streams of some queries and return their ends."""
        return [self._end(query) for query in queries if query in self._detectors]

    def finish(self) -> list[StateEvent]:
        """Forget every stream and return their ends; what comes next is the first of its query."""
        return [self._end(query) for query in list(self._detectors)]

    def _end(self, query: str) -> StateEvent:
        last = self._detectors.pop(query).finish()
        return StateEvent(self._camera, query, self._frame_ids.pop(query), None, _present(last))


def _present(segment: Segment | None) -> tuple[Segment, ...]:
    return () if segment is None else (segment,)
