# SPDX-License-Identifier: Apache-2.0
"""Keeps the current state of each query in words, and its segments.

Live, it drops what is no news: a change of the embedding that leads to the same words. A state
that is repeated keeps the time at which it began.

A segment is the span of one stream through which the words stayed the same. It is final when other
words begin or the stream ends; its text is then decoded again, from the mean of all its samples.
If a state never got words, because the decoder failed or was too slow, its samples count to the
state before it, whose words stayed current meanwhile.

A state that has ended and is followed by no other is lost: an empty text takes its place, so that
nothing stands that is not seen any more.

A forced description changes nothing. It may find words that no change has confirmed yet; they do
not become the current state, so that the change, when it comes, is still news.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Decoder, Description
from vljepa_ros.runtime.none_of_these import OFF, none_of_these
from vljepa_ros.stream.change import Decode, Reason
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.segment import Segment, join
from vljepa_ros.stream.state_events import StateEvent


@dataclass(frozen=True)
class StateUpdate:
    """What is published of one query; the fields are those of StateDescription."""

    text: str
    previous_text: str
    since_ns: int
    score: float
    cosine: float
    reason: Reason
    seq: int


class StateTracker:
    """Keeps the states of one camera. For one thread; :attr:`texts` for any."""

    def __init__(
        self, decoder: Decoder, min_similarity: Callable[[], float] = lambda: OFF
    ) -> None:
        """Start without a state.

        Args:
            decoder: finds the words.
            min_similarity: returns the cosine below which the nearest phrase is not told.
        """
        self._decoder = decoder
        self._min_similarity = min_similarity
        self._states: dict[str, _QueryState] = {}

    @property
    def texts(self) -> dict[str, str]:
        """The current words of each query whose stream lasts."""
        states = [(query, state.current) for query, state in list(self._states.items())]
        return {query: current.text for query, current in states if current is not None}

    def update(self, event: StateEvent) -> StateUpdate | None:
        """Take the next event; return what is to be published, or None if it is no news.

        A refresh and a forced description are published in any case, and so is the end of a stream
        whose state was published: that state is lost. The segments of the event are kept even if
        this raises.

        Raises:
            ValueError: the embedding has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        state = self._state(event.query)
        state.end_streams(event.ended_streams)
        if event.ends_stream:
            state.end_stream()
        if (decode := event.decode) is None:
            return state.lost(event.stamp_ns)
        state.extend(decode.ended)
        words = self.describe(event.query, decode.embedding)
        if decode.reason is Reason.FORCED:
            return state.forced(decode, words)
        return state.update(decode, words)

    def take_closed(self, query: str) -> list[tuple[int, Segment]]:
        """Return the segments of a query that ended since the last call, oldest first.

        Returns:
            The sequence number of each segment, from 0, and the segment.
        """
        state = self._state(query)
        closed, state.closed = state.closed, []
        return closed

    def forget(self, query: str) -> None:
        """Forget a query that is not asked any more; if it comes again, it is counted from 0."""
        self._states.pop(query, None)

    def describe(self, query: str, embedding: NDArray[np.float32]) -> Description:
        """Return the words for a unit vector (dimension), on one line.

        Raises:
            ValueError: it has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        found = none_of_these(self._decoder.best(query, embedding), self._min_similarity())
        return Description(clean_text(found.text), found.score, found.cosine)

    def _state(self, query: str) -> _QueryState:
        return self._states.setdefault(query, _QueryState())


@dataclass
class _QueryState:
    """The current state of one query and its segments."""

    current: StateUpdate | None = None
    told: StateUpdate | None = None  # the last one that was published, until it is lost
    open: Segment | None = None  # what is final of the current state
    closed: list[tuple[int, Segment]] = field(default_factory=list)  # that nobody took yet
    updates: int = 0
    segments: int = 0

    def extend(self, ended: Segment | None) -> None:
        """Count a segment, if there is one, to the current state."""
        self.open = join(self.open, ended)

    def end_streams(self, last: Sequence[Segment]) -> None:
        """End a stream with each segment; the first one counts to the current state."""
        for segment in last:
            self.extend(segment)
            self.end_stream()

    def end_stream(self) -> None:
        """End the current state; there is none until the next update."""
        self._close_segment()
        self.current = None

    def update(self, decode: Decode, words: Description) -> StateUpdate | None:
        """Make the words the current state; return None if they are already."""
        before = self.current
        if before is not None and words.text == before.text:
            if decode.reason in (Reason.CHANGE, Reason.CORRECTION):
                return None
            self.current = self.told = self._repeated(before, words, decode.reason)
            return self.current
        since_ns = decode.since_ns if self.open is None else self.open.end_ns
        self._close_segment()
        if before is None:
            self.current = self._new(words, "", since_ns, Reason.FIRST)
        else:
            self.current = self._new(words, before.text, since_ns, decode.reason)
        self.told = self.current
        return self.current

    def lost(self, last_ns: int) -> StateUpdate | None:
        """Return that nothing is seen any more since ``last_ns``; None if no state was told."""
        told, self.told = self.told, None
        nothing = Description("", 0.0, math.nan)
        return None if told is None else self._new(nothing, told.text, last_ns, Reason.LOST)

    def forced(self, decode: Decode, words: Description) -> StateUpdate:
        """Return a description on request; the current state stays."""
        before = self.current
        if before is None:
            return self._new(words, "", decode.since_ns, decode.reason)
        if words.text == before.text:
            return self._repeated(before, words, decode.reason)
        known_ns = before.since_ns if self.open is None else self.open.end_ns
        # Other words without a change that may still be confirmed: all that is known is now.
        since_ns = decode.since_ns if decode.since_ns > known_ns else decode.stamp_ns
        return self._new(words, before.text, since_ns, decode.reason)

    def _new(
        self, words: Description, previous: str, since_ns: int, reason: Reason
    ) -> StateUpdate:
        seq = self._next_seq()
        return StateUpdate(words.text, previous, since_ns, words.score, words.cosine, reason, seq)

    def _repeated(self, before: StateUpdate, words: Description, reason: Reason) -> StateUpdate:
        seq = self._next_seq()
        return replace(before, score=words.score, cosine=words.cosine, reason=reason, seq=seq)

    def _next_seq(self) -> int:
        seq, self.updates = self.updates, self.updates + 1
        return seq

    def _close_segment(self) -> None:
        if self.open is not None:
            self.closed.append((self.segments, self.open))
            self.segments += 1
            self.open = None
