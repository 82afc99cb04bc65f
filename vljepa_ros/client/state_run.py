# SPDX-License-Identifier: Apache-2.0
"""Since when a state has lasted with at least a given score."""

from __future__ import annotations

from typing import Any

_NS_PER_S = 1_000_000_000


def stamp_ns(stamp: Any) -> int:
    """Return a message's time in nanoseconds."""
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)


class StateRun:
    """One state of a query, from its first message until other words come.

    Times are those at which messages were taken, on the clock of the node that waits. Stamps of
    the camera are compared with each other only: its clock may be another one.

    Attributes:
        state: The newest ``StateDescription`` of the run.
    """

    def __init__(self, state: Any, now_ns: int) -> None:
        """Begin with the first message of the run that was taken."""
        self.state = state
        lasted_ns = stamp_ns(state.header.stamp) - stamp_ns(state.since)
        # Each time, and the least score since then; the scores grow from one to the next.
        self._least: list[tuple[int, float]] = [(now_ns - max(0, lasted_ns), state.score)]

    def continues_with(self, state: Any) -> bool:
        """Whether a message is about the same state: with the same words and beginning."""
        return bool(state.text == self.state.text and state.since == self.state.since)

    def take(self, state: Any, now_ns: int) -> None:
        """Take another message of the same state; it may have another score."""
        self.state = state
        began_ns = now_ns
        while self._least and self._least[-1][1] >= state.score:
            began_ns, _ = self._least.pop()
        self._least.append((began_ns, state.score))

    def held_ns(self, min_score: float, now_ns: int) -> int | None:
        """Return for how long the state has had at least this score; None if it has less now."""
        for began_ns, score in self._least:
            if score >= min_score:
                return max(0, now_ns - began_ns)
        return None

    def restart_after(self, now_ns: int) -> None:
        """Begin anew if the clock was set back behind the beginning."""
        if self._least[0][0] > now_ns:
            self._least = [(now_ns, float(self.state.score))]
