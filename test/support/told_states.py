# SPDX-License-Identifier: Apache-2.0
"""A describer that a test dictates: it publishes on ``describer/states`` what the test says."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Time

from support.ros import Bench
from vljepa_msgs.msg import StateDescription, States
from vljepa_msgs.srv import Ask
from vljepa_ros.nodes.common.qos import latched

_PERIOD_S = 0.1


class Teller:
    """Tells one state of the query "object", again and again as a describer does."""

    def __init__(self, ros: Bench, topic: str = "describer/states") -> None:
        self._states: list[StateDescription] = []
        self._seconds = 100
        self._publisher = ros.node.create_publisher(States, topic, latched(1))
        self._ros = ros
        ros.node.create_timer(_PERIOD_S, self._publish)

    def tell(self, text: str, score: float = 0.9, **fields: Any) -> None:
        """Let a state begin."""
        self._seconds += 1
        state = StateDescription(query="object", text=text, score=score, **fields)
        state.header.stamp = state.since = Time(sec=self._seconds)
        self._states = [state]
        self._publish()

    def wait_matched(self) -> Teller:
        """Wait for a subscriber."""
        self._ros.wait(lambda: self._publisher.get_subscription_count() > 0, "a client")
        return self

    def answer(self, best: int, success: bool = True, message: str = "") -> None:
        """Serve ``embedder/ask``: one answer is always the best of two."""
        scores = [0.9, 0.1] if best == 0 else [0.1, 0.9]

        def ask(_: Ask.Request, __: Ask.Response) -> Ask.Response:
            return Ask.Response(success=success, message=message, scores=scores, best=best)

        self._ros.node.create_service(Ask, "embedder/ask", ask)

    def _publish(self) -> None:
        if self._states:
            self._publisher.publish(States(states=self._states))
