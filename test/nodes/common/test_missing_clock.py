# SPDX-License-Identifier: Apache-2.0
"""A node with simulated time that nobody sends says so, until somebody does."""

from __future__ import annotations

from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from support.ros import Bench
from vljepa_ros.nodes.common.complaints import NO_CLOCK
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.missing_clock import missing_clock


class Simulated(ManagedNode):
    def __init__(self, **options: object) -> None:
        super().__init__("simulated", (), **options)


def test_a_clock_that_nobody_sends_is_told_until_it_comes(ros: Bench) -> None:
    ros.node.destroy_publisher(ros._clock)
    reports = ros.diagnostics("simulated")
    ros.add(Simulated, use_sim_time=True)
    warned = reports.wait_for(lambda report: report.level == Level.WARN.value, "a warning")
    words = NO_CLOCK.told("/simulated")
    reports.wait_for(lambda report: report.message == words, f"{words}, not {warned}")
    ros.node.create_publisher(Clock, "/clock", 10)
    reports.clear()
    reports.wait_for(lambda report: report.level == Level.OK.value, "all well")


def test_a_node_on_the_computers_clock_needs_no_other(ros: Bench) -> None:
    ros.node.destroy_publisher(ros._clock)
    assert missing_clock(ros.add(lambda **options: Node("plain", **options))) == ""
