# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the topics, and words for it when two sides do not fit.

Profiles are functions because rclpy writes a user's overrides into the profile that it is given.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy


def sensor_data() -> QoSProfile:
    """Return the profile to receive images with: best effort, so every publisher fits."""
    return QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)


def reliable(depth: int) -> QoSProfile:
    """Return a profile that does not lose messages while the receiver keeps up."""
    return QoSProfile(depth=depth, reliability=QoSReliabilityPolicy.RELIABLE)


def latched(depth: int) -> QoSProfile:
    """Return a reliable profile that gives the last ``depth`` messages to late subscribers."""
    return QoSProfile(
        depth=depth,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


def describe_publishers(node: Node, topic: str) -> str:
    """Say who publishes on ``topic`` (as the node resolves it) and how."""
    name = node.resolve_topic_name(topic)
    publishers = node.get_publishers_info_by_topic(name)
    if not publishers:
        return f"{name} has no publisher"
    return f"{name} has {len(publishers)} publisher(s): " + "; ".join(
        f"{p.node_namespace.rstrip('/')}/{p.node_name} ({p.topic_type}, "
        f"{p.qos_profile.reliability.name.lower()}, {p.qos_profile.durability.name.lower()})"
        for p in publishers
    )
