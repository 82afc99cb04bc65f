# SPDX-License-Identifier: Apache-2.0
"""One change detector per query, and the moments that they find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode


class NothingToDescribeError(LookupError):
    """There is no such query, or nothing came for it yet."""


@dataclass(frozen=True)
class Moment:
    """A state of one query that is to be put into words."""

    query: str
    frame_id: str
    decode: Decode


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
        return None if decode is None else Moment(query, frame_id, decode)

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

    def keep_only(self, texts: Mapping[str, str]) -> None:
        """Forget queries that are not asked any more, or ask something else under their name."""
        for query in list(self._detectors):
            if query not in texts or self._texts.get(query, texts[query]) != texts[query]:
                del self._detectors[query], self._frame_ids[query]
        self._texts = texts

    def reset(self) -> None:
        """Forget every stream; what comes next is the first of its query."""
        self._detectors.clear()
        self._frame_ids.clear()


def combined(old: Moment, new: Moment) -> Moment:
    """Return what takes the place of a moment that still waits for its words.

    The newest state is told, for the weightiest of both reasons: a first description or a change
    stays one although a refresh came after it.
    """
    reason = min(old.decode.reason, new.decode.reason)
    return replace(new, decode=replace(new.decode, reason=reason))
