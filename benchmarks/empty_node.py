# SPDX-License-Identifier: Apache-2.0
"""The least that an rclpy node can do: take an image, publish four embeddings of zeros.

What it costs is the price of the middleware, which no node in Python gets below. Only for
``benchmarks/node_cost.py``.
"""

from __future__ import annotations

from array import array
from contextlib import suppress

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from vljepa_msgs.msg import Embedding

QUERIES = 4
NOTHING = array("f", bytes(4 * 256))


class EmptyNode(Node):
    """Answers every image without a look at it."""

    def __init__(self) -> None:
        super().__init__("empty")
        self.publisher = self.create_publisher(Embedding, "~/embedding", 10)
        self.create_subscription(Image, "image_raw", self.on_image, qos_profile_sensor_data)

    def on_image(self, message: Image) -> None:
        """Publish zeros."""
        for _ in range(QUERIES):
            self.publisher.publish(Embedding(header=message.header, data=NOTHING))


def main() -> None:
    """Spin until interrupted."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(EmptyNode())


if __name__ == "__main__":
    main()
