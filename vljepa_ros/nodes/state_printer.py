# SPDX-License-Identifier: Apache-2.0
"""Prints each new state, for people who watch the terminal of a launch."""

from __future__ import annotations

import sys
from typing import Any

from rclpy.subscription import Subscription

from vljepa_msgs.msg import StateDescription
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.run import run
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.views.doubts import doubt_words, doubted


class StatePrinter(ManagedNode):
    """Subscribes to ``describer/state``; a state that is only repeated is not printed again."""

    def __init__(self, **options: Any) -> None:
        """Wait for activation."""
        self._states: Subscription | None = None
        self._printed: dict[str, str] = {}  # what was told last, by query
        super().__init__("state_printer", (), **options)

    def do_activate(self) -> None:
        """Begin with the states that stand."""
        self._states = self.create_subscription(
            StateDescription, "describer/state", self._print, qos.latched(10)
        )

    def do_deactivate(self) -> None:
        """Print nothing more."""
        if self._states is not None:
            self.destroy_subscription(self._states)
            self._states = None
        self._printed.clear()

    def _print(self, state: StateDescription) -> None:
        line, told = _line(state), _told(state)
        if state.reason == StateDescription.FORCED:
            return  # the current state stays
        if state.reason == StateDescription.LOST:
            self._printed.pop(state.query, None)
        elif self._printed.get(state.query) == told:
            return
        else:
            self._printed[state.query] = told
        self.get_logger().info(line)


def _told(state: StateDescription) -> str:
    """Return what is told of a state, without how probable it is."""
    text = clean_text(state.text)
    if state.reason == StateDescription.UNFAMILIAR:
        return doubted(text, doubt_words(state.image_fault))
    return text or "none of these"


def _line(state: StateDescription) -> str:
    query = clean_text(state.query)
    if state.reason == StateDescription.LOST:
        return f"{query}: nothing is seen any more; it was: {clean_text(state.previous_text)}"
    sure = f" ({state.score:.0%})" if state.text else ""
    return f"{query}: {_told(state)}{sure}"


def main() -> int:
    """Run the node."""
    return run(StatePrinter)


if __name__ == "__main__":
    sys.exit(main())
