# SPDX-License-Identifier: Apache-2.0
"""The latest states of every query: what the overlay shows.

The visualizer node and the demo's recorder fill it from their subscriptions and draw the same
picture from it. Times are integer nanoseconds of whatever clock stamps the messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

_HISTORY = 8
_RATE_WINDOW_NS = 3_000_000_000
_MAX_STAMPS = 1024


@dataclass(frozen=True)
class StateView:
    """One state: its text, when it began (ns) and the model's score 0..1."""

    text: str
    since_ns: int
    score: float


@dataclass(frozen=True)
class QueryView:
    """One query, its question and its states, oldest first; the last is the current one."""

    name: str
    question: str
    states: tuple[StateView, ...] = ()


@dataclass(frozen=True)
class BoardView:
    """What the board holds at `now_ns`; `age_s` is None before the first embedding."""

    now_ns: int
    queries: tuple[QueryView, ...]
    rate_hz: float
    age_s: float | None
    dropped: int | None


@dataclass
class StateBoard:
    """Collects questions, states and the stamps of embeddings; `view()` is a copy to draw."""

    dropped: int | None = None
    _questions: dict[str, str] = field(default_factory=dict)
    _states: dict[str, deque[StateView]] = field(default_factory=dict)
    _stamps: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_STAMPS))

    def set_questions(self, questions: Sequence[tuple[str, str]]) -> None:
        """Show these (name, text) queries, in this order; states of others are forgotten."""
        self._questions = dict(questions)
        self._states = {
            name: kept for name, kept in self._states.items() if name in self._questions
        }

    def add_state(self, query: str, state: StateView) -> None:
        """Add a state of a query; if the text is the same as before, only its score is new.

        A state that began when the last one did takes its place.
        """
        self._questions.setdefault(query, "")
        states = self._states.setdefault(query, deque(maxlen=_HISTORY))
        if states and states[-1].since_ns == state.since_ns:
            states.pop()  # it is corrected
        if states and states[-1].text == state.text:
            since_ns = min(
                states.pop().since_ns, state.since_ns
            )  # less after a clock was set back
            state = StateView(state.text, since_ns, state.score)
        states.append(state)

    def add_embedding(self, query: str, stamp_ns: int) -> None:
        """Count one tick; the embeddings of several queries at one stamp are one tick."""
        self._questions.setdefault(query, "")
        if self._stamps and stamp_ns < self._stamps[-1]:
            self._stamps.clear()  # the clock was set back
        if not self._stamps or stamp_ns > self._stamps[-1]:
            self._stamps.append(stamp_ns)

    def view(self, now_ns: int) -> BoardView:
        """Return what to draw at `now_ns`."""
        age_s = max(now_ns - self._stamps[-1], 0) / 1e9 if self._stamps else None
        queries = tuple(
            QueryView(name, text, tuple(self._states.get(name, ())))
            for name, text in self._questions.items()
        )
        return BoardView(now_ns, queries, self._rate(now_ns), age_s, self.dropped)

    def _rate(self, now_ns: int) -> float:
        """Return ticks per second over the last seconds; 0 when they have stopped."""
        recent = [stamp for stamp in self._stamps if now_ns - stamp <= _RATE_WINDOW_NS]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0])
