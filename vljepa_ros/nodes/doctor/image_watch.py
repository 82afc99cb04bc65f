# SPDX-License-Identifier: Apache-2.0
"""Looks at the images of a topic as the embedder does."""

from __future__ import annotations

import time

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.complaints import NO_PUBLISHER
from vljepa_ros.nodes.common.conversions import to_ns, to_rgb
from vljepa_ros.nodes.common.silence import why_silent
from vljepa_ros.nodes.doctor.observation import SeenTopic
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.stamp_gate import StampGate
from vljepa_ros.stream.stamp_rate import StampRate

_RATE_HZ, _MAX_GAP_S = 1000.0, 1.0  # every image counts
_NS_PER_S = 1e9


class ImageWatch:
    """Subscribes to one topic, and tells what came."""

    def __init__(self, node: Node, topic: str, kind: type) -> None:
        """Subscribe with the embedder's own profile."""
        self._node, self._topic, self._kind = node, topic, kind
        self._began_s = time.monotonic()
        self._gate, self._rate = StampGate(_RATE_HZ, _MAX_GAP_S), StampRate()
        self._looks = self._refusal = ""
        self._age_s, self._size = 0.0, 0
        node.create_subscription(kind, topic, self._take, qos.sensor_data())

    def result(self) -> SeenTopic:
        """Return what was seen."""
        stamp_fault = self._gate.fault(tolerated=0.0)
        publishers = self._node.get_publishers_info_by_topic(self._topic)
        return SeenTopic(
            silence="" if self._looks else self._why_silent(),
            publishers=sorted(f"{p.node_namespace.rstrip('/')}/{p.node_name}" for p in publishers),
            looks=f"{self._looks}; {qos.describe_publishers(self._node, self._topic)}",
            refusal=self._refusal,
            stamps=stamp_fault.value if stamp_fault else "",
            arrived_hz=self._rate.arrived_hz,
            sent_hz=self._rate.sent_hz,
            age_s=self._age_s,
            size=self._size,
        )

    def _take(self, message: Image | CompressedImage) -> None:
        stamp_ns = to_ns(message.header.stamp)
        if stamp_ns:
            self._gate.admit(stamp_ns)
            self._rate.add(stamp_ns)
            now_ns = self._node.get_clock().now().nanoseconds
            self._age_s = (now_ns - stamp_ns) / _NS_PER_S
        self._size = max(self._size, len(message.data))
        if self._looks:
            return  # one image shows what there is
        try:
            image = to_rgb(message)
            self._looks = f"{image.shape[1]} x {image.shape[0]} {clean_text(_encoding(message))}"
        except ImageError as error:
            self._looks = clean_text(_encoding(message))
            self._refusal = str(error)

    def _why_silent(self) -> str:
        """Say why nothing came, as ``/diagnostics`` does."""
        seconds = f"{time.monotonic() - self._began_s:.0f}"
        facts = qos.describe_publishers(self._node, self._topic)
        if not self._node.count_publishers(self._topic):
            return NO_PUBLISHER.told(seconds, facts)
        complaint = why_silent(self._node, self._topic, self._kind, qos.sensor_data())
        return complaint.told(seconds, facts)


def _encoding(message: Image | CompressedImage) -> str:
    text = message.format if isinstance(message, CompressedImage) else message.encoding
    return text or "of unknown encoding"
