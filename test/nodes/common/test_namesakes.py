# SPDX-License-Identifier: Apache-2.0
"""Two nodes of one name tell of each other; a node that is alone says nothing."""

from __future__ import annotations

import pytest
from rclpy.node import Node

from support.ros import Bench
from vljepa_ros.nodes.common import namesakes
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode

CAUSE = "other nodes with the name of this one"


class Plain(ManagedNode):
    def __init__(self, **options: object) -> None:
        super().__init__("plain", (), **options)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namesakes, "PERIOD_S", 0.02)


def test_a_namesake_is_told_as_long_as_it_is_there(
    ros: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    reports = ros.diagnostics("plain")
    node, namesake = ros.add(Plain), Node("plain", context=ros.context)
    ros.wait(lambda: node.namesakes.others == 1, "the namesake is seen")
    warned = reports.wait_for(lambda r: r.level == Level.WARN.value, "a warning")
    assert "2 nodes are named /plain" in warned.message
    assert "2 nodes are named /plain: two launches run in one namespace" in capfd.readouterr().err
    namesake.destroy_node()
    ros.wait(lambda: node.namesakes.others == 0, "it is gone")
    assert node.tally[CAUSE] == 1


def test_a_node_of_a_process_that_was_killed_is_no_namesake(
    ros: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays in the graph for some time, and leaves it before it counts."""
    monkeypatch.setattr(namesakes, "CHECKS", 5)
    node = ros.add(Plain)
    own, other = ("plain", "/"), ("else", "/")
    graphs = iter([*[[own, own]] * 4, [own], *[[own, own]] * 4, [own, other]])
    seen = []

    def graph() -> list[tuple[str, str]]:
        seen.append(next(graphs, [own]))
        return seen[-1]

    monkeypatch.setattr(node, "get_node_names_and_namespaces", graph)
    ros.wait(lambda: len(seen) > 10, "all graphs were looked at")
    assert node.tally[CAUSE] == 0 and node.namesakes.others == 0
