# SPDX-License-Identifier: Apache-2.0
"""State events of one camera: one change detector per query, and what it finds.

A stream ends if its stamps jump back, if the embedder cut it, if nothing comes any more, or if its
query is not asked any more. The embedder begins a new clip after a cut, so the cut shows in the
clip: it begins after the newest stamp that was seen. A clip of a single image tells of that only
in a stream that had longer ones, as a model with a memory gives; there, as in any stream, a hole
in the stamps of more than ``silence_s`` is a cut.

A stream that comes to be in doubt (:mod:`.doubt`), or is no more, is another one from there on. If
nothing may be said while it is, one event without words begins it, and nothing of it is in a
segment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason
from vljepa_ros.stream.doubt import Claim, Doubt, DoubtConfig, Sight
from vljepa_ros.stream.image_faults import ImageFault
from vljepa_ros.stream.segment import Segment, join
from vljepa_ros.stream.vectors import unit

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
        claim: what may be said.
        image_fault: what is wrong with the newest image.
    """

    camera: str
    query: str
    frame_id: str
    decode: Decode | None
    ended_streams: tuple[Segment, ...] = ()
    last_ns: int = 0
    claim: Claim = Claim.SPOKEN
    image_fault: ImageFault = ImageFault.NO_FAULT

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
        return self.decode is None or self.decode.reason in (Reason.FIRST, Reason.UNFAMILIAR)

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
        doubt: tells what of it may be believed.
        frame_id: of the newest embedding.
        heard_ns: when the newest stamp came, on the clock of the caller.
        newest: the newest clip; None before any.
        looks_back: whether any clip had more than one image.
        claim: what may be said of the clips that the detector has.
        cause: of the doubt, as it was told.
        cut: whether the stream was cut before the next clip that the detector gets.
    """

    detector: ChangeDetector
    doubt: Doubt
    frame_id: str = ""
    heard_ns: int = 0
    newest: Sight | None = None
    looks_back: bool = False
    claim: Claim = Claim.SPOKEN
    cause: ImageFault = ImageFault.NO_FAULT
    cut: bool = False

    def end(self, end_ns: int | None = None) -> tuple[Segment, ...]:
        """Return the last segment, if there is one, and begin anew.

        Args:
            end_ns: stamp of the clip that follows; None if none does or the stream was cut.
        """
        last = self.detector.finish()
        self.detector.reset()
        if last is not None and end_ns is not None and not self.cut:
            last = replace(last, end_ns=end_ns)
        self.cut = False
        return _present(last)


class StateEventDetector:
    """Finds the state events of all queries of one camera. For one thread.

    Attributes:
        silence_s: a stream ends after so many seconds without a new embedding; 0 is never. May be
            replaced at any time.
    """

    def __init__(
        self,
        config: ChangeConfig,
        camera: str = "",
        silence_s: float = 0.0,
        doubt: DoubtConfig | None = None,
    ) -> None:
        """Start without a sample."""
        self.silence_s = silence_s
        self._config = config
        self._doubt = doubt or DoubtConfig()
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
        unfamiliarity: float = math.nan,
        image_fault: ImageFault = ImageFault.NO_FAULT,
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
            unfamiliarity: how unfamiliar (0..1) its clip looks; NaN if it is not known.
            image_fault: what is wrong with its newest image.

        Raises:
            EmbeddingError: the embedding cannot be used; nothing has changed.
        """
        sight = Sight(stamp_ns, unit(embedding), signal, unfamiliarity, image_fault)
        stream = self._streams.get(query) or self._new_stream()
        stream.detector.check(sight.embedding, signal)
        self._streams[query] = stream
        stream.frame_id = frame_id
        if stream.newest is not None and stamp_ns == stream.newest.stamp_ns:
            return None
        stream.heard_ns = heard_ns
        stream.looks_back = stream.looks_back or window_start_ns < stamp_ns
        if self._is_cut(stream, window_start_ns, stamp_ns):
            stream.cut = True
            stream.doubt.clear()
        stream.newest = sight
        decided = stream.doubt.add(sight)
        return self._take(query, stream, decided) if decided else None

    def force(self, query: str) -> StateEvent:
        """Return the state of a query as it is now; an empty name stands for the only one.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        if not query and len(self._streams) == 1:
            (query,) = self._streams
        stream = self._streams.get(query)
        if stream is None:
            known = ", ".join(self._streams) or "none so far"
            if not self.is_asked(query):
                raise NothingToDescribeError(f"query {query!r} is not asked; known: {known}")
            raise NothingToDescribeError(f"no embedding of query {query!r} yet; known: {known}")
        decode = stream.detector.force()
        if decode is not None:
            return self._event(query, stream, decode)
        return self._silence(query, stream, Reason.FORCED)

    def set_config(self, config: ChangeConfig) -> None:
        """Change the thresholds and times of every query."""
        self._config = config
        for stream in self._streams.values():
            stream.detector.config = config

    def set_doubt(self, config: DoubtConfig) -> None:
        """Change when a stream is in doubt, and what is done then."""
        self._doubt = config
        for stream in self._streams.values():
            stream.doubt.config = config

    def doubt(self) -> tuple[ImageFault, float] | None:
        """Return the cause of the doubt and for how many seconds it has lasted, or None."""
        for stream in self._streams.values():
            since_ns, newest = stream.doubt.since_ns, stream.newest
            if since_ns is not None and newest is not None:
                return stream.doubt.cause, (newest.stamp_ns - since_ns) / _NS
        return None

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

    def _new_stream(self) -> _Stream:
        return _Stream(ChangeDetector(self._config), Doubt(self._doubt))

    def _is_cut(self, stream: _Stream, window_start_ns: int, stamp_ns: int) -> bool:
        """Tell whether a clip is of another stream than the newest one before it."""
        if stream.newest is None:
            return False
        newest_ns = stream.newest.stamp_ns
        begins_anew = stream.looks_back and newest_ns < window_start_ns <= stamp_ns
        if begins_anew or stamp_ns < newest_ns:
            return True
        return 0 < self.silence_s < (stamp_ns - newest_ns) / _NS

    def _take(self, query: str, stream: _Stream, sights: Sequence[Sight]) -> StateEvent | None:
        """Take clips that wait no longer, oldest first; return what they lead to as one event."""
        ended: tuple[Segment, ...] = ()
        turns = stream.doubt.claim is not stream.claim
        if turns:
            stream.claim, ended = stream.doubt.claim, stream.end(sights[0].stamp_ns)
        if stream.claim is Claim.NONE:
            return self._say_nothing(query, stream, ended, begins=turns)
        events = list(filter(None, [self._detect(query, stream, one) for one in sights]))
        if turns:  # the first of them is the first of its stream
            events[0] = replace(events[0], ended_streams=ended)
        return reduce(StateEvent.merged, events) if events else None

    def _say_nothing(
        self, query: str, stream: _Stream, ended: tuple[Segment, ...], *, begins: bool
    ) -> StateEvent | None:
        """Return an event without words if that begins or has another cause than before."""
        stream.cut = False
        if not begins and stream.cause is stream.doubt.cause:
            return None
        stream.cause = stream.doubt.cause
        silence = self._silence(query, stream, Reason.UNFAMILIAR)
        return replace(silence, ended_streams=ended, image_fault=stream.cause)

    def _silence(self, query: str, stream: _Stream, reason: Reason) -> StateEvent:
        """Return an event for which no words are sought."""
        newest = stream.newest
        assert newest is not None, "a stream begins with a clip"
        since_ns = stream.doubt.since_ns
        since_ns = newest.stamp_ns if since_ns is None else since_ns
        decode = Decode(newest.stamp_ns, since_ns, reason, 0.0, newest.embedding)
        decode = replace(decode, unfamiliarity=newest.unfamiliarity)
        return replace(self._event(query, stream, decode), claim=Claim.NONE)

    def _detect(self, query: str, stream: _Stream, sight: Sight) -> StateEvent | None:
        """Have the detector take a clip."""
        assert stream.newest is not None, "a stream begins with a clip"
        decode = stream.detector.update(
            sight.stamp_ns,
            sight.embedding,
            sight.signal,
            cut=stream.cut,
            unfamiliarity=sight.unfamiliarity,
        )
        stream.cut = False
        if decode is None:
            return None
        decode = replace(decode, stamp_ns=stream.newest.stamp_ns)  # it may have waited
        event = self._event(query, stream, decode)
        if decode.reason is not Reason.FIRST:
            return event
        # What ended with it was of the stream before.
        first = replace(decode, ended=None)
        return replace(event, decode=first, ended_streams=_present(decode.ended))

    def _event(self, query: str, stream: _Stream, decode: Decode) -> StateEvent:
        newest = stream.newest
        fault = newest.image_fault if newest else ImageFault.NO_FAULT
        event = StateEvent(self._camera, query, stream.frame_id, decode, claim=stream.claim)
        return replace(event, image_fault=fault)

    def _end(self, query: str) -> StateEvent:
        stream = self._streams.pop(query, None)
        if stream is None:
            return StateEvent(self._camera, query, "", None)
        newest_ns = stream.newest.stamp_ns if stream.newest else 0
        return StateEvent(self._camera, query, stream.frame_id, None, stream.end(), newest_ns)


def _present(segment: Segment | None) -> tuple[Segment, ...]:
    return () if segment is None else (segment,)
