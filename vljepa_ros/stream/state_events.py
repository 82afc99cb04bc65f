# SPDX-License-Identifier: Apache-2.0
"""State events of one camera: one change detector per query, and what it finds.

A stream ends if its stamps jump back, if the embedder cut it, if nothing comes any more, or if its
query is not asked any more. The embedder begins a new clip after a cut, so the cut shows in the
clip: it begins after the newest stamp that was seen. A clip of a single image tells nothing of
that; there, as in any stream, a hole in the stamps of more than ``silence_s`` is a cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason
from vljepa_ros.stream.segment import Segment, join

MAX_UNANNOUNCED = 64  # names of queries that are taken before it is known which are asked
MAX_UNANNOUNCED_NAME = 64  # characters of such a name
_NS = 1_000_000_000


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
        last_ns: stamp of the newest embedding of a stream that has ended; 0 if it had none.
    """

    camera: str
    query: str
    frame_id: str
    decode: Decode | None
    ended_streams: tuple[Segment, ...] = ()
    last_ns: int = 0

    @property
    def stamp_ns(self) -> int:
        """Stamp of the newest embedding."""
        return self.last_ns if self.decode is None else self.decode.stamp_ns

    @property
    def is_forced(self) -> bool:
        """Whether somebody asked for it."""
        return self.decode is not None and self.decode.reason is Reason.FORCED

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


@dataclass
class _Stream:
    """The stream of one query.

    Attributes:
        detector: finds its changes.
        frame_id: of the newest embedding.
        heard_ns: when the newest stamp came, on the clock of the caller.
    """

    detector: ChangeDetector
    frame_id: str = ""
    heard_ns: int = 0


class StateEventDetector:
    """Finds the state events of all queries of one camera. For one thread.

    Attributes:
        silence_s: a stream ends after so many seconds without a new embedding; 0 is never. May be
            replaced at any time.
    """

    def __init__(self, config: ChangeConfig, camera: str = "", silence_s: float = 0.0) -> None:
        """Start without a sample."""
        self.silence_s = silence_s
        self._config = config
        self._camera = camera
        self._streams: dict[str, _Stream] = {}
        self._names: set[str] = set()  # of the queries that were admitted
        self._texts: Mapping[str, str] | None = None  # of the queries that are asked, if known

    def is_asked(self, query: str) -> bool:
        """Tell whether embeddings of a query are taken. May be called from any thread.

        As long as nobody has said what is asked, names are taken, but not any number of them.
        """
        if self._texts is not None:
            return query in self._texts
        if query in self._names:
            return True
        return len(self._names) < MAX_UNANNOUNCED and len(query) <= MAX_UNANNOUNCED_NAME

    def admit(self, query: str) -> bool:
        """Tell whether embeddings of a query are taken, and remember its name if they are."""
        is_asked = self.is_asked(query)
        if is_asked:
            self._names.add(query)
        return is_asked

    def update(
        self,
        query: str,
        stamp_ns: int,
        embedding: NDArray[np.float32],
        frame_id: str,
        signal: NDArray[np.float64] | None = None,
        *,
        window_start_ns: int = 0,
        heard_ns: int = 0,
    ) -> StateEvent | None:
        """Take the next embedding (dimension) of a query; return an event if there is one.

        Args:
            query: name of the query.
            stamp_ns: stamp of the embedding.
            embedding: (dimension).
            frame_id: of the camera.
            signal: what is compared to find changes; None is the embedding itself.
            window_start_ns: stamp of the oldest image of its clip.
            heard_ns: the time now, on the clock by which :meth:`end_silent` is asked.

        Raises:
            EmbeddingError: the embedding cannot be used; nothing has changed.
        """
        stream = self._streams.get(query) or _Stream(ChangeDetector(self._config))
        newest_ns = stream.detector.newest_ns
        cut = newest_ns is not None and self._is_cut(newest_ns, window_start_ns, stamp_ns)
        decode = stream.detector.update(stamp_ns, embedding, signal, cut=cut)
        self._streams[query] = stream
        stream.frame_id = frame_id
        if stamp_ns != newest_ns:
            stream.heard_ns = heard_ns
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
        if not query and len(self._streams) == 1:
            (query,) = self._streams
        stream = self._streams.get(query)
        decode = stream.detector.force() if stream else None
        if stream is None or decode is None:
            known = ", ".join(self._streams) or "none so far"
            if not self.is_asked(query):
                raise NothingToDescribeError(f"query {query!r} is not asked; known: {known}")
            raise NothingToDescribeError(f"no embedding of query {query!r} yet; known: {known}")
        return StateEvent(self._camera, query, stream.frame_id, decode)

    def set_config(self, config: ChangeConfig) -> None:
        """Change the thresholds and times of every query."""
        self._config = config
        for stream in self._streams.values():
            stream.detector.config = config

    def keep_only(self, texts: Mapping[str, str]) -> list[StateEvent]:
        """Forget queries that are not asked any more, or whose text has changed.

        Args:
            texts: text of each query that is asked, by name.

        Returns:
            The ends of their streams; also of queries whose stream had ended before.
        """
        before = {} if self._texts is None else self._texts
        gone = (self._names | self._streams.keys() | before.keys()) - texts.keys()
        changed = {
            query
            for query in self._streams.keys() & texts.keys()
            if before.get(query, texts[query]) != texts[query]
        }
        self._texts = texts
        self._names -= gone
        return [self._end(query) for query in sorted(gone | changed)]

    def end_silent(self, now_ns: int) -> list[StateEvent]:
        """Forget the streams of which nothing new came for ``silence_s``; return their ends."""
        for stream in self._streams.values():
            stream.heard_ns = min(stream.heard_ns, now_ns)  # the clock may have been set back
        if not self.silence_s:
            return []
        latest_ns = now_ns - self.silence_s * _NS
        silent = [query for query, one in self._streams.items() if one.heard_ns < latest_ns]
        return [self._end(query) for query in silent]

    def end(self, queries: Iterable[str]) -> list[StateEvent]:
        """Forget the streams of some queries and return their ends."""
        return [self._end(query) for query in queries if query in self._streams]

    def finish(self) -> list[StateEvent]:
        """Forget every stream and return their ends; what comes next is the first of its query."""
        return [self._end(query) for query in list(self._streams)]

    def _is_cut(self, newest_ns: int, window_start_ns: int, stamp_ns: int) -> bool:
        """Tell whether a clip is of another stream than the newest embedding before it."""
        if newest_ns < window_start_ns < stamp_ns:
            return True
        return 0 < self.silence_s < (stamp_ns - newest_ns) / _NS

    def _end(self, query: str) -> StateEvent:
        stream = self._streams.pop(query, None)
        if stream is None:
            return StateEvent(self._camera, query, "", None)
        last, newest_ns = stream.detector.finish(), stream.detector.newest_ns or 0
        streams = _present(last)
        return StateEvent(self._camera, query, stream.frame_id, None, streams, newest_ns)


def _present(segment: Segment | None) -> tuple[Segment, ...]:
    return () if segment is None else (segment,)
