# SPDX-License-Identifier: Apache-2.0
"""The words for who publishes on a topic."""

from __future__ import annotations

import pytest
from rclpy.topic_endpoint_info import TopicEndpointInfo

from vljepa_ros.nodes.common.qos import describe_publishers, sensor_data


class Graph:
    """What a node knows of others at one moment, which no test can hold still over DDS."""

    def __init__(self, name: str, namespace: str) -> None:
        self._publisher = TopicEndpointInfo(
            node_name=name,
            node_namespace=namespace,
            topic_type="sensor_msgs/msg/Image",
            qos_profile=sensor_data(),
        )

    def resolve_topic_name(self, topic: str) -> str:
        return f"/{topic}"

    def get_publishers_info_by_topic(self, topic: str) -> list[TopicEndpointInfo]:
        return [self._publisher]


@pytest.mark.parametrize(
    ("name", "namespace", "words"),
    [
        ("driver", "/", ": /driver (sensor_msgs/msg/Image, best_effort, volatile)"),
        ("driver", "/robot", ": /robot/driver ("),
        ("_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_", ": a node that is not known yet ("),
    ],
)
def test_publishers_are_named(name: str, namespace: str, words: str) -> None:
    described = describe_publishers(Graph(name, namespace), "image_raw")
    assert described.startswith("/image_raw has 1 publisher(s)" + words)
    assert "UNKNOWN" not in described
