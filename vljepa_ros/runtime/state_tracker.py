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

A stream that is in doubt has a state without words, or one whose reason says that its words are
not to be trusted.

A forced description changes nothing. It may find words that no change has confirmed yet; they do
not become the current state, so that the change, when it comes, is still news.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Decoder
from vljepa_ros.runtime.none_of_these import OFF, none_of_these
from vljepa_ros.stream.change import Decode, Reason
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.doubt import Claim
from vljepa_ros.stream.segment import Segment, join
from vljepa_ros.stream.state_events import StateEvent

Score = Callable[[str, float, float], float]
"""Turns a query, the decoder's share and the unfamiliarity into the probability of the words."""


def uncalibrated(query: str, share: float, unfamiliarity: float) -> float:
    """Return the decoder's share: all that is known without a calibration."""
    return share


@dataclass(frozen=True)
class Words:
    """Words for an embedding; the fields are those of StateDescription."""

    text: str
    score: float
    share: float
    cosine: float


_NOTHING = Words("", 0.0, 0.0, math.nan)


@dataclass(frozen=True)
class StateUpdate:
    """What is published of one query; the fields are those of StateDescription."""

    words: Words
    previous_text: str
    since_ns: int
    reason: Reason
    seq: int

    @property
    def text(self) -> str:
        """The words themselves."""
        return self.words.text


class StateTracker:
    """Keeps the states of one camera. For one thread; :attr:`texts` for any."""

    def __init__(
        self,
        decoder: Decoder,
        min_similarity: Callable[[], float] = lambda: OFF,
        score: Score = uncalibrated,
    ) -> None:
        """Start without a state.

        Args:
            decoder: finds the words.
            min_similarity: returns the cosine below which the nearest phrase is not told.
            score: finds how probable it is that words are right.
        """
        self._decoder = decoder
        self._min_similarity = min_similarity
        self._score = score
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
        words = _NOTHING
        if event.claim is not Claim.NONE:
            words = self.describe(event.query, decode.embedding, decode.unfamiliarity)
        if decode.reason is Reason.FORCED:
            return state.forced(decode, words)
        if event.claim is Claim.NONE:
            return state.doubted(decode)
        return state.update(decode, words, is_marked=event.claim is Claim.MARKED)

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

    def describe(
        self, query: str, embedding: NDArray[np.float32], unfamiliarity: float = math.nan
    ) -> Words:
        """Return the words for a unit vector (dimension), on one line.

        Args:
            query: name of the query.
            embedding: (dimension).
            unfamiliarity: how unfamiliar (0..1) the clips behind it look; NaN if it is not known.

        Raises:
            ValueError: it has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        found = none_of_these(self._decoder.best(query, embedding), self._min_similarity())
        text, share = clean_text(found.text), found.share
        score = self._score(query, share, unfamiliarity) if text else 0.0
        return Words(text, score, share, found.cosine)

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

    def update(self, decode: Decode, words: Words, *, is_marked: bool) -> StateUpdate | None:
        """Make the words the current state; return None if they are already.

        If they are marked, the reason is that they are not to be trusted.
        """
        before = self.current
        if before is not None and words.text == before.text:
            if decode.reason in (Reason.CHANGE, Reason.CORRECTION):
                return None
            reason = Reason.UNFAMILIAR if is_marked else decode.reason
            self.current = self.told = self._repeated(before, words, reason)
            return self.current
        since_ns = decode.since_ns if self.open is None else self.open.end_ns
        self._close_segment()
        if is_marked:
            previous = before.text if before else self._told_before()
            self.current = self._new(words, previous, since_ns, Reason.UNFAMILIAR)
        elif before is None:
            self.current = self._new(words, "", since_ns, Reason.FIRST)
        else:
            self.current = self._new(words, before.text, since_ns, decode.reason)
        self.told = self.current
        return self.current

    def doubted(self, decode: Decode) -> StateUpdate:
        """Return that nothing is claimed any more."""
        previous = self._told_before()
        self.told = self._new(_NOTHING, previous, decode.since_ns, Reason.UNFAMILIAR)
        return self.told

    def _told_before(self) -> str:
        """Return the words of the state that has ended."""
        return self.told.text if self.told else ""

    def lost(self, last_ns: int) -> StateUpdate | None:
        """Return that nothing is seen any more since ``last_ns``; None if no state was told."""
        told, self.told = self.told, None
        return None if told is None else self._new(_NOTHING, told.text, last_ns, Reason.LOST)

    def forced(self, decode: Decode, words: Words) -> StateUpdate:
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

    def _new(self, words: Words, previous: str, since_ns: int, reason: Reason) -> StateUpdate:
        return StateUpdate(words, previous, since_ns, reason, self._next_seq())

    def _repeated(self, before: StateUpdate, words: Words, reason: Reason) -> StateUpdate:
        return replace(before, words=words, reason=reason, seq=self._next_seq())

    def _next_seq(self) -> int:
        seq, self.updates = self.updates, self.updates + 1
        return seq

    def _close_segment(self) -> None:
        if self.open is not None:
            self.closed.append((self.segments, self.open))
            self.segments += 1
            self.open = None
