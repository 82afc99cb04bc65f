# SPDX-License-Identifier: Apache-2.0
"""Tells a node that time was set back: a simulation that restarts, a recording that loops."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.clock import JumpHandle, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node


def on_clock_jump(node: Node, callback: Callable[[], None]) -> JumpHandle:
    """Call ``callback`` when the node's clock goes back, or changes between real and simulated.

    The caller keeps the returned handle, and calls its ``unregister()`` at the end.
    """
    threshold = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
    return node.get_clock().create_jump_callback(threshold, post_callback=lambda _: callback())
