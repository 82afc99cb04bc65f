# SPDX-License-Identifier: Apache-2.0
"""What one camera showed: the states that stand, those that are over, and curves of candidates.

All of it is bounded: the oldest makes room for the newest. Everything that is over has a number in
the order in which it came, so that a page which has seen the first hundred asks for the rest.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.views.board import QueryView, StateBoard, StateView
from vljepa_ros.views.doubts import doubted

_MAX_STRETCHES = 5000  # all queries together; one that changes each second reaches 80 minutes
_MAX_POINTS = 4000  # of the curves of all queries
_POINT_NS = 500_000_000  # between two points of a query's curves
_MAX_QUERIES = 256  # names that are remembered, whatever comes
_MOST_CURVES = 5  # texts of a point
_NS = 1e9


@dataclass(frozen=True)
class Stretch:
    """A span of time through which a query had one answer, or none could be trusted.

    Attributes:
        query: name of the query.
        start_ns: stamp of its first embedding.
        end_ns: stamp of the first one after it, or of its last one.
        text: the answer, or in words why there is none.
        score: how probable it is that the answer is right, 0..1; None if there is none.
        unfamiliarity: how strange the scene looked, 0..1; None if that is not known.
        doubted: whether the text says why there is no answer.
    """

    query: str
    start_ns: int
    end_ns: int
    text: str
    score: float | None
    unfamiliarity: float | None
    doubted: bool = False

    def shown(self) -> dict[str, Any]:
        """Return it for the page, with times in seconds."""
        times = {"start": self.start_ns / _NS, "end": self.end_ns / _NS}
        return {**vars(self), **times}


@dataclass(frozen=True)
class CurvePoint:
    """The best candidates of a query at one time: texts with their shares, best first."""

    query: str
    stamp_ns: int
    shares: tuple[tuple[str, float], ...]


class CameraHistory:
    """The newest part of what was told of a camera. For one thread at a time.

    Attributes:
        board: the states that stand, and what the embeddings tell of rate and age.
        ended: how many stretches were ever over.
        points: how many points there ever were.
        unfamiliarity: of the newest embedding; None if not known.
        told_s: when the describer last said that it lives, on the monotonic clock; None if never.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.board = StateBoard()
        self.ended = self.points = 0
        self.unfamiliarity: float | None = None
        self.told_s: float | None = None
        self._stretches: deque[Stretch] = deque(maxlen=_MAX_STRETCHES)
        self._curves: deque[CurvePoint] = deque(maxlen=_MAX_POINTS)
        self._drawn_ns: dict[str, int] = {}  # stamp of the newest point, by query
        self._doubts: dict[str, StateView] = {}  # that last, by query

    def set_questions(self, questions: Sequence[tuple[str, str]]) -> None:
        """Show these (name, text) queries only."""
        self.board.set_questions(questions)
        names = {name for name, _ in questions}
        self._doubts = {name: one for name, one in self._doubts.items() if name in names}
        self._drawn_ns.clear()

    def embedded(self, query: str, stamp_ns: int, unfamiliarity: float) -> None:
        """Take the stamp of an embedding, and how strange its clip looks (NaN: not known)."""
        self.board.add_embedding(query, stamp_ns)
        self.unfamiliarity = number(unfamiliarity)

    def told(self, query: str, state: StateView, seen_ns: int) -> None:
        """Let a state stand. One without words and with a doubt is over when another follows."""
        self._end_doubt(query, state.since_ns, unless=state)
        self.board.add_state(query, state, seen_ns)
        if state.doubt and not state.text and len(self._doubts) < _MAX_QUERIES:
            self._doubts.setdefault(query, state)

    def lost(self, query: str, text: str, seen_ns: int) -> None:
        """End the state of a query, which was last seen at a time."""
        self._end_doubt(query, seen_ns)
        self.board.lose_state(query, text, seen_ns)

    def add_stretch(self, stretch: Stretch) -> None:
        """Keep what is over."""
        self._stretches.append(stretch)
        self.ended += 1

    def add_candidates(
        self, query: str, stamp_ns: int, texts: Sequence[str], shares: Sequence[float]
    ) -> None:
        """Keep the best candidates, if a point is due."""
        name = clean_text(query)
        if 0 <= stamp_ns - self._drawn_ns.get(name, -_POINT_NS) < _POINT_NS:
            return
        if len(self._drawn_ns) >= _MAX_QUERIES:
            self._drawn_ns.clear()
        self._drawn_ns[name] = stamp_ns
        best = sorted(zip(shares, texts, strict=False), reverse=True)[:_MOST_CURVES]
        finite = ((clean_text(text), number(share)) for share, text in best)
        known = tuple((text, share) for text, share in finite if share is not None)
        self._curves.append(CurvePoint(name, stamp_ns, known))
        self.points += 1

    def stretches(self, after: int = 0) -> list[Stretch]:
        """Return what is over, without the first ``after`` ones."""
        return _newest(self._stretches, self.ended - after)

    def curves(self, after: int = 0) -> list[CurvePoint]:
        """Return the points, without the first ``after`` ones."""
        return _newest(self._curves, self.points - after)

    def queries(self, now_ns: int) -> Iterator[dict[str, Any]]:
        """Yield each query with the state that stands, for the page.

        No state stands if the describer is silent, because nobody says then that it lasts.
        """
        silent_s = 0.0 if self.told_s is None else time.monotonic() - self.told_s
        self.board.set_silence(now_ns, silent_s)
        for one in self.board.view(now_ns).queries:
            state = _standing(one, now_ns)
            yield {"name": one.name, "question": one.question, "state": state}

    def standing(self) -> Iterator[Stretch]:
        """Yield what stands, as if it ended with the newest embedding."""
        for one in self.board.view(0).queries:
            if one.states and one.states[-1].end_ns is None:
                state = one.states[-1]
                end_ns = max(one.seen_ns or 0, state.since_ns)
                yield Stretch(
                    one.name,
                    state.since_ns,
                    end_ns,
                    state.text,
                    number(state.score),
                    state.unfamiliarity,
                    bool(state.doubt),
                )

    def _end_doubt(self, query: str, end_ns: int, unless: StateView | None = None) -> None:
        """Keep a doubt as over; not if the same one is told again."""
        doubt = self._doubts.get(query)
        if doubt is None or (unless is not None and _same_doubt(doubt, unless)):
            return
        del self._doubts[query]
        if end_ns > doubt.since_ns:
            self.add_stretch(
                Stretch(
                    clean_text(query),
                    doubt.since_ns,
                    end_ns,
                    doubted("", doubt.doubt),
                    None,
                    doubt.unfamiliarity,
                    doubted=True,
                )
            )


def number(value: float) -> float | None:
    """Return a number as JSON takes it: None if it is none."""
    return round(value, 4) if math.isfinite(value) else None


def _same_doubt(one: StateView, other: StateView) -> bool:
    return bool(other.doubt) and not other.text and one.doubt == other.doubt


def _standing(query: QueryView, now_ns: int) -> dict[str, Any] | None:
    if not query.states:
        return None
    state, unseen_s = query.states[-1], query.unseen_s(now_ns)
    return {
        "text": state.text,
        "since": state.since_ns / _NS,
        "seen": (state.end_ns or max(query.seen_ns or 0, state.since_ns)) / _NS,
        "score": number(state.score),
        "unfamiliarity": state.unfamiliarity,
        "doubted": bool(state.doubt),
        "unseen": unseen_s,
    }


def _newest(kept: deque[Any], count: int) -> list[Any]:
    return list(islice(kept, max(0, len(kept) - max(0, count)), None))
