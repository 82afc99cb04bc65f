# SPDX-License-Identifier: Apache-2.0
"""One of two processes that send each other images: ``python -m ... probe send|receive ...``.

They run in the environment of the user's shell, as the user's own nodes do.
"""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Empty

IMAGES = 20
_PERIOD_S = 1 / 30
_LAST_S = 1.0  # for what is on its way


def main() -> int:
    """Send or receive; the receiver prints how many images came."""
    role, topic, size, patience = sys.argv[1:5]
    rclpy.init(args=[])
    node = rclpy.create_node(f"vljepa_doctor_{role}", enable_rosout=False)
    until_s = time.monotonic() + float(patience)
    if role == "send":
        _send(node, topic, int(size), until_s)
    else:
        print(_receive(node, topic, until_s), flush=True)
    rclpy.try_shutdown()
    return 0


def _send(node: rclpy.node.Node, topic: str, size: int, until_s: float) -> None:
    images = node.create_publisher(Image, topic, _best_effort())
    end = node.create_publisher(Empty, f"{topic}/end", 1)
    pixels = array.array("B", bytes(size))
    message = Image(height=1, width=size, step=size, encoding="mono8", data=pixels)
    while not (images.get_subscription_count() and end.get_subscription_count()):
        if time.monotonic() > until_s:
            return
        time.sleep(0.02)
    for _ in range(IMAGES):
        images.publish(message)
        time.sleep(_PERIOD_S)
    end.publish(Empty())
    time.sleep(_LAST_S)


def _receive(node: rclpy.node.Node, topic: str, until_s: float) -> str:
    """Return the number of images; "none" if the sender was not found."""
    count, ended = 0, False

    def on_image(_: Image) -> None:
        nonlocal count
        count += 1

    def on_end(_: Empty) -> None:
        nonlocal ended
        ended = True

    images = node.create_subscription(Image, topic, on_image, _best_effort())
    node.create_subscription(Empty, f"{topic}/end", on_end, 1)
    while not ended and time.monotonic() < until_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    found = ended or node.count_publishers(images.topic_name)
    return str(count) if found else "none"


def _best_effort() -> QoSProfile:
    return QoSProfile(depth=5, reliability=QoSReliabilityPolicy.BEST_EFFORT)


if __name__ == "__main__":
    sys.exit(main())
