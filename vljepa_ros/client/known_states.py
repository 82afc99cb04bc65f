# SPDX-License-Identifier: Apache-2.0
"""The states of all queries of a camera, as ``~/states`` of the describer tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vljepa_msgs.msg import Embedding, StateDescription
from vljepa_ros.client.condition import Condition
from vljepa_ros.client.state_run import StateRun

STALE_S = 3.0  # the describer sends its states once per second
NOTHING = "the describer has not said anything yet: does it run, and is it active?"
_NOT_CLAIMED = (StateDescription.LOST, StateDescription.UNFAMILIAR)


class KnownStates:
    """Keeps the newest state of each query, and since when it holds. For one thread at a time."""

    def __init__(self) -> None:
        """Know nothing."""
        self._runs: dict[str, StateRun] = {}
        self._heard_s: float | None = None

    def take(self, states: Sequence[Any], now_ns: int, heard_s: float) -> None:
        """Take one message.

        Args:
            states: The ``StateDescription`` of each query.
            now_ns: The node's clock.
            heard_s: A clock that always runs; simulated time may stand still.
        """
        before = {} if self.is_stale(heard_s) else self._runs
        self._heard_s = heard_s
        self._runs = {state.query: _continued(before, state, now_ns) for state in states}

    def newest(self, query: str, heard_s: float) -> Any:
        """Return the newest ``StateDescription`` of a query; None if nothing is known now."""
        run = self._runs.get(query)
        return run.state if run is not None and not self.is_stale(heard_s) else None

    def held(self, condition: Condition, now_ns: int, heard_s: float) -> tuple[Any, int] | None:
        """Return the state that meets a condition, and for how many nanoseconds it has.

        Of several, it is the one that has lasted longest.

        Returns:
            None if none does; ``for_s`` is not looked at.
        """
        if self.is_stale(heard_s):
            return None
        found = [
            (run.state, held_ns)
            for run in self._runs.values()
            if _is_meant(run.state, condition)
            and (held_ns := run.held_ns(condition.min_score, now_ns)) is not None
        ]
        return max(found, key=lambda one: one[1], default=None)

    def is_stale(self, heard_s: float) -> bool:
        """Whether the describer has said nothing for too long."""
        return self._heard_s is None or heard_s - self._heard_s > STALE_S

    def told(self, heard_s: float) -> str:
        """Say to people what is known now."""
        if self._heard_s is None:
            return NOTHING
        if self.is_stale(heard_s):
            return f"the describer has not said anything for {heard_s - self._heard_s:.0f} s"
        if not self._runs:
            return "the describer runs and has no state yet: does it get embeddings?"
        return "; ".join(f"{query}: {_words(run.state)}" for query, run in self._runs.items())


def _continued(before: dict[str, StateRun], state: Any, now_ns: int) -> StateRun:
    """Return the run that a message continues or begins."""
    run = before.get(state.query)
    if run is None or not run.continues_with(state):
        return StateRun(state, now_ns)
    run.restart_after(now_ns)
    run.take(state, now_ns)
    return run


def _is_meant(state: Any, condition: Condition) -> bool:
    return (
        state.text in condition.texts
        and condition.query in ("", state.query)
        and state.reason not in _NOT_CLAIMED
        and state.image_fault == Embedding.NO_FAULT
    )


def _words(state: Any) -> str:
    if state.reason == StateDescription.LOST:
        return "nothing is seen any more"
    if state.reason == StateDescription.UNFAMILIAR:
        return "what is seen is unfamiliar"
    if state.image_fault != Embedding.NO_FAULT:
        return "the images are at fault"
    return f"{state.text!r} ({state.score:.2f})" if state.text else "none of the phrases"
