# SPDX-License-Identifier: Apache-2.0
"""Tells that another node has the same full name.

ROS allows it: both publish on the same topics, and a parameter that is set reaches one of them.
"""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vljepa_ros.nodes.common.complaints import NAMESAKES
from vljepa_ros.nodes.common.diagnostics import Tally

PERIOD_S = 5.0
# A process that was killed stays in the graph until its lease ends after 20 s, and a node that
# takes its place must not be blamed. So a namesake counts only after 30 s.
CHECKS = 6


class NamesakeWatch:
    """Looks at the graph now and then, and logs once that there is a namesake.

    Attributes:
        others: Number of other nodes with the name of this one, at the last look.
    """

    def __init__(self, node: Node, tally: Tally) -> None:
        """Begin to watch.

        Args:
            node: The node whose name should be its own.
            tally: Where the warning goes.
        """
        self.others = 0
        self._node, self._tally = node, tally
        self._seen = 0  # in how many checks in a row
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # also while simulated time stands still
        node.create_timer(PERIOD_S, self._check, clock=steady)

    def complaint(self) -> str:
        """Say that there are others, and what to do."""
        return NAMESAKES.told(self.others + 1, self._node.get_fully_qualified_name())

    def _check(self) -> None:
        node = self._node
        own = (node.get_name(), node.get_namespace())
        others = node.get_node_names_and_namespaces().count(own) - 1
        self._seen = self._seen + 1 if others > 0 else 0
        before, self.others = self.others, others if self._seen >= CHECKS else 0
        if self.others and not before:
            self._tally.warn("other nodes with the name of this one", self.complaint())
