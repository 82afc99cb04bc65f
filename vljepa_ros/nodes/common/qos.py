# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the topics, and words for it when two sides do not fit.

Profiles are functions because rclpy writes a user's overrides into the profile that it is given.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from vljepa_ros.runtime.queries import MAX_QUERIES

_TICKS = 8  # of the embedder, which are 0.8 s at 10 Hz
_REQUESTS = 1000
UNKNOWN_NODE = "_NODE_NAME_UNKNOWN_"  # what rmw calls a node whose name has not arrived


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


def embeddings() -> QoSProfile:
    """Return the profile of embeddings, for both sides: no tick of any accepted size is lost.

    A tick publishes one message for each query at once. The history holds several ticks of as many
    queries as there may be, because the receiver takes messages one by one, and may be busy.
    """
    return reliable(MAX_QUERIES * _TICKS)


def services() -> QoSProfile:
    """Return the profile of services: as many requests may wait as a caller can have in mind.

    ROS' own profile keeps ten requests and forgets the others without a word.
    """
    return reliable(_REQUESTS)


def describe_publishers(node: Node, topic: str) -> str:
    """Say who publishes on ``topic`` (as the node resolves it) and how."""
    name = node.resolve_topic_name(topic)
    publishers = node.get_publishers_info_by_topic(name)
    if not publishers:
        return f"{name} has no publisher"
    return f"{name} has {len(publishers)} publisher(s): " + "; ".join(
        f"{_publisher_name(p)} ({p.topic_type}, {p.qos_profile.reliability.name.lower()}, "
        f"{p.qos_profile.durability.name.lower()})"
        for p in publishers
    )


def _publisher_name(publisher: TopicEndpointInfo) -> str:
    """Return the full name of a publisher's node, which the graph learns after the publisher."""
    if publisher.node_name == UNKNOWN_NODE:
        return "a node that is not known yet"
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
