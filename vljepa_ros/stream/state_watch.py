# SPDX-License-Identifier: Apache-2.0
"""One change detector per query, and the moments that they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason
from vljepa_ros.stream.pieces import Piece


class NothingToDescribeError(LookupError):
    """There is no such query, or nothing came for it yet."""


@dataclass(frozen=True)
class Moment:
    """A state of one query that is to be put into words, or the end of its stream.

    Attributes:
        query: its name.
        frame_id: of the newest embedding.
        decode: the state; None where the stream ends.
        over: what was left of streams that are over, oldest first; more than one only where the
            stream was cut again while an earlier moment waited.
        ended: what is final with the state in its own stream, if anything.
    """

    query: str
    frame_id: str
    decode: Decode | None
    over: tuple[Piece, ...] = ()
    ended: Piece | None = None

    @property
    def is_cut(self) -> bool:
        """Whether an earlier stream of the query is over."""
        return self.decode is None or self.decode.reason is Reason.FIRST


class StateWatch:
    """Watches the embeddings of all queries. For one thread."""

    def __init__(self, config: ChangeConfig) -> None:
        """Start without a sample."""
        self._config = config
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
    ) -> Moment | None:
        """Take the next embedding (dimension) of a query; return a moment if one has come.

        ``signal`` is what of it is compared (:mod:`.signals`); None is the embedding itself.

        Raises:
            EmbeddingError: the embedding cannot be used; nothing has changed.
        """
        detector = self._detectors.get(query) or ChangeDetector(self._config)
        decode = detector.update(stamp_ns, embedding, signal)
        self._detectors[query] = detector
        self._frame_ids[query] = frame_id
        if decode is None:
            return None
        if decode.reason is Reason.FIRST:
            return Moment(query, frame_id, decode, over=_all(decode.ended))
        return Moment(query, frame_id, decode, ended=decode.ended)

    def force(self, query: str) -> Moment:
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
        return Moment(query, self._frame_ids[query], decode)

    def set_config(self, config: ChangeConfig) -> None:
        """Change the thresholds and times of every query."""
        self._config = config
        for detector in self._detectors.values():
            detector.config = config

    def keep_only(self, texts: Mapping[str, str]) -> list[Moment]:
        """Forget queries that are not asked any more, or ask something else under their name.

        Returns the ends of their streams.
        """
        gone = [
            query
            for query in self._detectors
            if query not in texts or self._texts.get(query, texts[query]) != texts[query]
        ]
        self._texts = texts
        return [self._end(query) for query in gone]

    def finish(self) -> list[Moment]:
        """Forget every stream and return their ends; what comes next is the first of its query."""
        return [self._end(query) for query in list(self._detectors)]

    def _end(self, query: str) -> Moment:
        left = self._detectors.pop(query).finish()
        return Moment(query, self._frame_ids.pop(query), None, over=_all(left))


def combined(old: Moment, new: Moment) -> Moment:
    """Return what takes the place of a moment that still waits for its words.

    The newest state is told, for the weightiest of both reasons: a first description or a change
    stays one although a refresh came after it. Where the stream ends, nothing is told any more.
    What ended with either has ended with both. ``new`` has replaced nothing yet.
    """
    if new.is_cut:
        left = new.over[0] if new.over else None
        return replace(new, over=(*old.over, *_all(_joined(old.ended, left))))
    ended = _joined(old.ended, new.ended)
    decode = new.decode
    if old.decode is not None and decode is not None:
        decode = replace(decode, reason=min(old.decode.reason, decode.reason))
    return replace(new, decode=decode, over=old.over, ended=ended)


def _all(piece: Piece | None) -> tuple[Piece, ...]:
    return () if piece is None else (piece,)


def _joined(earlier: Piece | None, later: Piece | None) -> Piece | None:
    if earlier is None or later is None:
        return later if earlier is None else earlier
    return earlier.joined(later)
