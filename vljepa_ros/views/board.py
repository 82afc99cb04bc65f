# SPDX-License-Identifier: Apache-2.0
"""The latest states of every query: what the overlay shows.

The visualizer node and the demo's recorder fill it from their subscriptions and draw the same
picture from it. Times are integer nanoseconds of whatever clock stamps the messages. What comes
from topics is bounded here: texts, and the number of queries and states.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.views.doubts import doubted

UNSEEN_S = 3.0  # age of the newest embedding after which a state is not shown as current
_NONE = "none of these"  # for a state without words: no phrase is similar enough
_HISTORY = 8
_MAX_QUERIES = 64  # as many as an embedder takes
_MAX_NAME = 64
_MAX_TEXT = 200
_RATE_WINDOW_NS = 3_000_000_000
_MAX_STAMPS = 1024


@dataclass(frozen=True)
class StateView:
    """One state.

    Attributes:
        text: Its words.
        since_ns: When it began.
        score: How probable it is that the words are right, 0..1.
        end_ns: When it was last seen, if it was lost; None if it lasts or another one followed.
        doubt: Why the words cannot be trusted, or none are said; empty if they can.
        unfamiliarity: How strange the scene looks, 0..1; None if that is not known.
    """

    text: str
    since_ns: int
    score: float
    end_ns: int | None = None
    doubt: str = ""
    unfamiliarity: float | None = None


@dataclass(frozen=True)
class QueryView:
    """One query.

    Attributes:
        name: Its short name.
        question: What the model is asked.
        states: Oldest first; the last is the current one, unless it was lost.
        seen_ns: Stamp of the newest embedding, or None if none came.
    """

    name: str
    question: str
    states: tuple[StateView, ...] = ()
    seen_ns: int | None = None

    def unseen_s(self, now_ns: int) -> float | None:
        """Return for how many seconds the last state was not seen, or None if it is current."""
        seen_ns = self.states[-1].end_ns if self.states else None
        if seen_ns is not None:
            return max(now_ns - seen_ns, 0) / 1e9
        if self.seen_ns is None or now_ns - self.seen_ns <= UNSEEN_S * 1e9:
            return None
        return (now_ns - self.seen_ns) / 1e9


@dataclass(frozen=True)
class BoardView:
    """What the board holds at a time.

    Attributes:
        now_ns: That time.
        queries: In the order in which they were announced.
        rate_hz: Ticks per second; one tick is an embedding of every query.
        age_s: Of the newest embedding; None before the first one.
        dropped: Number of images that the embedder dropped; None if it has not told.
        aspect: Width by height of the part of the image that the model sees, cut from its centre;
            None if it is not known.
        image_age_s: How long no image has come, if that is too long; else None.
    """

    now_ns: int
    queries: tuple[QueryView, ...]
    rate_hz: float
    age_s: float | None
    dropped: int | None
    aspect: float | None = None
    image_age_s: float | None = None


@dataclass
class StateBoard:
    """Collects questions, states and the stamps of embeddings; `view()` is a copy to draw.

    Attributes:
        dropped: As in :class:`BoardView`.
        aspect: As in :class:`BoardView`.
        untold_since_ns: Since when the describer has not said that it lives; None while it does.
    """

    dropped: int | None = None
    aspect: float | None = None
    untold_since_ns: int | None = None
    _announced: bool = False
    _questions: dict[str, str] = field(default_factory=dict)
    _states: dict[str, deque[StateView]] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _stamps: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_STAMPS))

    def set_questions(self, questions: Sequence[tuple[str, str]]) -> None:
        """Show these (name, text) queries, in this order; others are forgotten and not taken."""
        self._announced = bool(questions)
        self._questions = {
            clean_text(name, _MAX_NAME): clean_text(text, _MAX_TEXT)
            for name, text in questions[:_MAX_QUERIES]
        }
        self._states = {n: kept for n, kept in self._states.items() if n in self._questions}
        self._seen = {n: kept for n, kept in self._seen.items() if n in self._questions}

    def add_state(self, query: str, state: StateView, seen_ns: int | None = None) -> None:
        """Add a state of a query; if the text is the same as before, only its score is new.

        A state that began when the last one did takes its place.

        Args:
            query: Name of the query.
            state: Its newest state; without words if no phrase is similar enough or nothing is
                claimed.
            seen_ns: Stamp of the embedding that showed it; the state's beginning if not given.
        """
        name = self._admit(query)
        if name is None:
            return
        score = min(state.score, 1.0) if state.score >= 0 else 0.0  # also if it is not a number
        state = replace(state, text=_shown(state), score=score)
        states = self._states.setdefault(name, deque(maxlen=_HISTORY))
        if states and states[-1].since_ns == state.since_ns:
            states.pop()  # it is corrected
        if states and states[-1].text == state.text and states[-1].end_ns is None:
            since_ns = min(
                states.pop().since_ns, state.since_ns
            )  # less after a clock was set back
            state = replace(state, since_ns=since_ns)
        states.append(state)
        self._seen[name] = max(self._seen.get(name, 0), seen_ns or state.since_ns)

    def lose_state(self, query: str, text: str, seen_ns: int) -> None:
        """End the current state of a query, because nothing is seen any more.

        Args:
            query: Name of the query.
            text: Of the state, which may have been told before this board was there.
            seen_ns: When it was last seen.
        """
        name = self._admit(query)
        if name is None:
            return
        states = self._states.setdefault(name, deque(maxlen=_HISTORY))
        last = states.pop() if states else StateView(clean_text(text, _MAX_TEXT), seen_ns, 0.0)
        states.append(replace(last, end_ns=seen_ns))

    def add_embedding(self, query: str, stamp_ns: int) -> None:
        """Count one tick; the embeddings of several queries at one stamp are one tick."""
        name = self._admit(query)
        if name is None:
            return
        self._seen[name] = stamp_ns
        if self._stamps and stamp_ns < self._stamps[-1]:
            self._stamps.clear()  # the clock was set back
        if not self._stamps or stamp_ns > self._stamps[-1]:
            self._stamps.append(stamp_ns)

    @property
    def questions(self) -> list[tuple[str, str]]:
        """The (name, text) of each query that is shown."""
        return list(self._questions.items())

    def set_silence(self, now_ns: int, silent_s: float) -> None:
        """Take for how long the describer has said nothing; no state lasts if that is too long."""
        silent = silent_s > UNSEEN_S
        self.untold_since_ns = now_ns - round(1e9 * silent_s) if silent else None

    def view(self, now_ns: int) -> BoardView:
        """Return what to draw at `now_ns`."""
        age_s = max(now_ns - self._stamps[-1], 0) / 1e9 if self._stamps else None
        queries = tuple(
            QueryView(name, text, self._states_of(name), self._seen.get(name))
            for name, text in self._questions.items()
        )
        return BoardView(now_ns, queries, self._rate(now_ns), age_s, self.dropped, self.aspect)

    def _states_of(self, name: str) -> tuple[StateView, ...]:
        """Return the states of a query, the last one ended if nobody says that it lasts."""
        states = tuple(self._states.get(name, ()))
        if not states or self.untold_since_ns is None or states[-1].end_ns is not None:
            return states
        end_ns = max(self.untold_since_ns, states[-1].since_ns)
        return (*states[:-1], replace(states[-1], end_ns=end_ns))

    def _admit(self, query: str) -> str | None:
        """Return the name under which a query is shown, or None if it is not shown.

        That is so for names that were not announced, as soon as some were, and for too many.
        """
        name = clean_text(query, _MAX_NAME)
        full = self._announced or len(self._questions) >= _MAX_QUERIES
        if name not in self._questions and full:
            return None
        self._questions.setdefault(name, "")
        return name

    def _rate(self, now_ns: int) -> float:
        """Return ticks per second over the last seconds; 0 when they have stopped."""
        recent = [stamp for stamp in self._stamps if now_ns - stamp <= _RATE_WINDOW_NS]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0])


def _shown(state: StateView) -> str:
    """Return the words that are shown for a state."""
    text = clean_text(state.text, _MAX_TEXT)
    return doubted(text, state.doubt) if state.doubt else text or _NONE
