# SPDX-License-Identifier: Apache-2.0
"""One change detector per query, and the moments that they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode
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
        ended: what is final with it, oldest first; more than one piece only where the stream was
            cut while an earlier moment waited.
    """

    query: str
    frame_id: str
    decode: Decode | None
    ended: tuple[Piece, ...] = ()


class StateWatch:
    """Watches the embeddings of all queries. For one thread."""

    def __init__(self, config: ChangeConfig) -> None:
        """Start without a sample."""
        self._config = config
        self._detectors: dict[str, ChangeDetector] = {}
        self._frame_ids: dict[str, str] = {}
        self._texts: Mapping[str, str] = {}

    def update(
        self, query: str, stamp_ns: int, embedding: NDArray[np.float32], frame_id: str
    ) -> Moment | None:
        """Take the next embedding (dimension) of a query; return a moment if one has come.

        Raises:
            EmbeddingError: the embedding cannot be used; nothing has changed.
        """
        detector = self._detectors.get(query) or ChangeDetector(self._config)
        decode = detector.update(stamp_ns, embedding)
        self._detectors[query] = detector
        self._frame_ids[query] = frame_id
        if decode is None:
            return None
        return Moment(query, frame_id, decode, () if decode.ended is None else (decode.ended,))

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
        piece = self._detectors.pop(query).finish()
        return Moment(query, self._frame_ids.pop(query), None, () if piece is None else (piece,))


def combined(old: Moment, new: Moment) -> Moment:
    """Return what takes the place of a moment that still waits for its words.

    The newest state is told, for the weightiest of both reasons: a first description or a change
    stays one although a refresh came after it. Where the stream ends, nothing is told any more.
    What ended with either has ended with both.
    """
    ended = _chained(old.ended, new.ended)
    if old.decode is None or new.decode is None:
        return replace(new, ended=ended)
    reason = min(old.decode.reason, new.decode.reason)
    return replace(new, decode=replace(new.decode, reason=reason), ended=ended)


def _chained(old: tuple[Piece, ...], new: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Return all pieces; two that follow each other without a gap become one."""
    if old and new and old[-1].end_ns == new[0].start_ns:
        return (*old[:-1], old[-1].joined(new[0]), *new[1:])
    return (*old, *new)
