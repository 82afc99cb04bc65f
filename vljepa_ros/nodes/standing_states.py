# SPDX-License-Identifier: Apache-2.0
"""The states of all queries of a camera in one latched message, for those who come late."""

from __future__ import annotations

import threading

from std_msgs.msg import Header

from vljepa_msgs.msg import StateDescription, States
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.lifecycle import ManagedNode

PERIOD_S = 1.0  # between two messages without a change


class StandingStates:
    """Keeps the last state of each query and publishes all of them. May be used by any thread."""

    def __init__(self, node: ManagedNode, topic: str) -> None:
        """Create the publisher; it lasts until :meth:`close`."""
        self._node = node
        self._publisher = node.create_lifecycle_publisher(States, topic, qos.latched(1))
        self._lock = threading.Lock()  # also keeps the messages in order
        self._states: dict[str, StateDescription] = {}
        self._frame_id = ""

    def take(self, state: StateDescription) -> None:
        """Let a state take the place of the one before it, and publish."""
        if state.reason == StateDescription.FORCED:
            return  # what was asked for changes nothing
        with self._lock:
            self._states[state.query] = state
            self._frame_id = state.header.frame_id
            self._publish()

    def forget(self, query: str) -> None:
        """Take away a query that is not asked any more, and publish."""
        with self._lock:
            if self._states.pop(query, None) is not None:
                self._publish()

    def clear(self) -> None:
        """Begin without a state."""
        with self._lock:
            self._states = {}
            self._frame_id = ""

    def publish(self) -> None:
        """Publish the states as they are: a sign of life."""
        with self._lock:
            self._publish()

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _publish(self) -> None:
        stamp = self._node.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=self._frame_id)
        self._publisher.publish(States(header=header, states=list(self._states.values())))
