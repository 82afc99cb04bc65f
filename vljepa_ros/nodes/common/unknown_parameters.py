# SPDX-License-Identifier: Apache-2.0
"""Tells of parameters that a user gave and no node knows: ROS ignores them without a word."""

from __future__ import annotations

import difflib

from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.parameter_tables import TABLES

_DECLARED_LATER = "qos_overrides."  # by publishers and subscriptions, when they are created


def unknown_parameters(node: ManagedNode) -> list[str]:
    """Return a sentence for each given parameter that is unknown.

    What another of our nodes knows is left out: a section ``/**`` and ``-p NAME:=VALUE`` are for
    all nodes.
    """
    undeclared = {
        name
        for name in node._parameter_overrides  # rclpy has no public name for what was given
        if not node.has_parameter(name) and not name.startswith(_DECLARED_LATER)
    }
    undeclared -= {spec.name for table in TABLES for spec in table}
    return [
        f"unknown parameter {name} is ignored{_hint(name, node)}" for name in sorted(undeclared)
    ]


def _hint(name: str, node: ManagedNode) -> str:
    close = difflib.get_close_matches(name, [*node.parameters, "use_sim_time"], n=1)
    return f"; did you mean {close[0]}?" if close else ""
