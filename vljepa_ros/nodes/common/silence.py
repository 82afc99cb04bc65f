# SPDX-License-Identifier: Apache-2.0
"""Why nothing comes from a topic that has publishers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

from vljepa_ros.nodes.common.complaints import (
    INCOMPATIBLE_QOS,
    OTHER_TYPE,
    SILENT_PUBLISHERS,
    Complaint,
)


def why_silent(node: Node, topic: str, kind: type, qos: QoSProfile) -> Complaint:
    """Return the complaint about publishers of which no message comes.

    Args:
        node: The node that listens.
        topic: Full name of the topic.
        kind: Type of the messages that it listens to.
        qos: Profile of its subscription.
    """
    wanted = f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
    of_type = [p for p in node.get_publishers_info_by_topic(topic) if p.topic_type == wanted]
    if not of_type:
        return OTHER_TYPE
    return SILENT_PUBLISHERS if _any_fits(of_type, qos) else INCOMPATIBLE_QOS


def _any_fits(publishers: Sequence[TopicEndpointInfo], qos: Any) -> bool:
    verdicts = [qos_check_compatible(one.qos_profile, qos)[0] for one in publishers]
    return any(verdict != QoSCompatibility.ERROR for verdict in verdicts)
