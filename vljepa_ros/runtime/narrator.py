# SPDX-License-Identifier: Apache-2.0
"""From the moments at which a state changed to the sentences about it, live and in the end.

Live, it decides what is worth saying: a change of the embedding that leads to the same words is no
news, and a state that is told again keeps the time at which it began.

In the end, it sums up. The pieces of a stream through which the words stood are one segment, which
is final when other words begin or the stream ends; its text is decoded once more, from the mean of
all its samples. A state that never was put into words, because the decoder failed or was too slow,
counts to the one before it, whose words stood meanwhile.

A forced description only looks. It may find words that no change has confirmed yet; they stand
nowhere, so that the change, when it comes, is still news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Decoder, Description
from vljepa_ros.stream.change import Decode, Reason
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.pieces import Piece


@dataclass(frozen=True)
class Told:
    """One description of one query; the fields are those of StateDescription."""

    text: str
    previous_text: str
    since_ns: int
    score: float
    reason: Reason
    seq: int


@dataclass(frozen=True)
class Summary:
    """One finished segment of one query; the fields are those of Segment.

    ``embedding`` is a unit vector (dimension).
    """

    start_ns: int
    end_ns: int
    text: str
    score: float
    embedding: NDArray[np.float32]
    samples: int
    seq: int


class Narrator:
    """Keeps the current state of every query. For one thread; :attr:`states` for any."""

    def __init__(self, decoder: Decoder) -> None:
        """Start without a state; ``decoder`` finds the words."""
        self._decoder = decoder
        self._tracks: dict[str, _Track] = {}

    @property
    def states(self) -> dict[str, str]:
        """The words that stand for each query whose stream lasts."""
        standing = [(query, track.told) for query, track in list(self._tracks.items())]
        return {query: told.text for query, told in standing if told is not None}

    def tell(
        self, query: str, decode: Decode, over: Sequence[Piece] = (), ended: Piece | None = None
    ) -> Told | None:
        """Describe a state, or return None where the words that stand already still hold.

        A refresh and a look on request are told in any case.

        Args:
            query: its name.
            decode: the state.
            over: what was left of streams that were over before it, oldest first.
            ended: what became final with it in its own stream. Both are kept where this raises.

        Raises:
            ValueError: the embedding has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        track = self._track(query)
        track.leave(over)
        if decode.reason is Reason.FIRST:
            track.cut()
        track.absorb(ended)
        description = self._described(query, decode.embedding)
        if decode.reason is Reason.FORCED:
            return track.look(decode, description)
        return track.move(decode, description)

    def finish(self, query: str, over: Sequence[Piece]) -> None:
        """End the stream of a query with what was left; what comes next is its first state."""
        track = self._track(query)
        track.leave(over)
        track.cut()

    def take_closed(self, query: str) -> list[Piece]:
        """Return the segments of a query that ended since the last call, oldest first."""
        track = self._track(query)
        closed, track.closed = track.closed, []
        return closed

    def sum_up(self, query: str, closed: Piece) -> Summary:
        """Put a segment into words.

        Raises:
            ValueError: its samples cancel out, or have another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        track = self._track(query)
        seq, track.summaries = track.summaries, track.summaries + 1
        embedding = closed.pooled
        words = self._described(query, embedding)
        return Summary(
            closed.start_ns, closed.end_ns, words.text, words.score, embedding, closed.samples, seq
        )

    def _track(self, query: str) -> _Track:
        return self._tracks.setdefault(query, _Track())

    def _described(self, query: str, embedding: NDArray[np.float32]) -> Description:
        found = self._decoder.best(query, embedding)
        return Description(clean_text(found.text), found.score)


@dataclass
class _Track:
    """What stands for one query, and what has ended."""

    told: Told | None = None
    open: Piece | None = None  # what has ended of the state that stands
    closed: list[Piece] = field(default_factory=list)  # segments nobody took yet
    messages: int = 0
    summaries: int = 0

    def absorb(self, ended: Piece | None) -> None:
        """Count a piece, if there is one, to the state that stands."""
        if ended is not None:
            self.open = ended if self.open is None else self.open.joined(ended)

    def leave(self, over: Sequence[Piece]) -> None:
        """Count the first piece to the state that stands, and end the stream with each."""
        for piece in over:
            self.absorb(piece)
            self.cut()

    def cut(self) -> None:
        """End the state that stands; there is none until the next one is told."""
        self._close()
        self.told = None

    def move(self, decode: Decode, words: Description) -> Told | None:
        """Return what is to be said of a decode, and let it stand."""
        before = self.told
        if before is not None and words.text == before.text:
            if decode.reason in (Reason.CHANGE, Reason.CORRECTION):
                return None
            self.told = self._again(before, words, decode.reason)
            return self.told
        since_ns = decode.since_ns if self.open is None else self.open.end_ns
        self._close()
        if before is None:
            told = self._new(words, "", since_ns, Reason.FIRST)
        else:
            told = self._new(words, before.text, since_ns, decode.reason)
        self.told = told
        return told

    def look(self, decode: Decode, words: Description) -> Told:
        """Return what is to be said on request; nothing of it stands."""
        before = self.told
        if before is None:
            return self._new(words, "", decode.since_ns, decode.reason)
        if words.text == before.text:
            return self._again(before, words, decode.reason)
        known_ns = before.since_ns if self.open is None else self.open.end_ns
        # Other words without a change that may still be confirmed: all that is known is now.
        since_ns = decode.since_ns if decode.since_ns > known_ns else decode.stamp_ns
        return self._new(words, before.text, since_ns, decode.reason)

    def _new(self, words: Description, previous: str, since_ns: int, reason: Reason) -> Told:
        return Told(words.text, previous, since_ns, words.score, reason, self._next_seq())

    def _again(self, before: Told, words: Description, reason: Reason) -> Told:
        return replace(before, score=words.score, reason=reason, seq=self._next_seq())

    def _next_seq(self) -> int:
        seq, self.messages = self.messages, self.messages + 1
        return seq

    def _close(self) -> None:
        if self.open is not None:
            self.closed.append(self.open)
            self.open = None
