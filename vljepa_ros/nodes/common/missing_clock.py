# SPDX-License-Identifier: Apache-2.0
"""Tells that a node waits for a simulated time that nobody sends."""

from __future__ import annotations

from rclpy.node import Node

from vljepa_ros.nodes.common.complaints import NO_CLOCK


def missing_clock(node: Node) -> str:
    """Complain if a node uses simulated time without a publisher; else return an empty text."""
    if not node.get_clock().ros_time_is_active or node.count_publishers("/clock"):
        return ""
    return NO_CLOCK.told(node.get_fully_qualified_name())
