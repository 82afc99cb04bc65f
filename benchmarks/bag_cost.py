# SPDX-License-Identifier: Apache-2.0
"""What an hour of each topic costs in a bag, uncompressed.

``scripts/with_env.sh .venv python benchmarks/bag_cost.py`` runs the real nodes on the demo's
recording, takes every message as the bytes that a bag would hold, and prints the rate and the
megabytes per hour of each topic. What a bag adds for each message is left out.

The recording runs slowly, so that a busy computer drops little. States and segments are counted in
the camera's time. An embedding of each query is taken to follow each image, also those that a busy
computer dropped; reports and signs of life come once per second of any clock.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image

from vljepa_msgs.msg import Embedding, ModelInfo, Segment, StateDescription, States
from vljepa_ros.nodes.common import qos
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.shipped import shipped

TOPICS: dict[str, tuple[type, Any]] = {
    "/image_raw": (Image, qos.reliable(10)),
    "/embedder/embedding": (Embedding, qos.embeddings()),
    "/embedder/model_info": (ModelInfo, qos.latched(1)),
    "/describer/state": (StateDescription, qos.latched(10)),
    "/describer/states": (States, qos.latched(1)),
    "/describer/segment": (Segment, qos.reliable(100)),
    "/diagnostics": (DiagnosticArray, qos.reliable(100)),
}
IMAGES, EMBEDDINGS = "/image_raw", "/embedder/embedding"
STATE, STATES, REPORTS = "/describer/state", "/describer/states", "/diagnostics"
CAMERA_HZ = 10.0  # of the recording
NODES = 3  # that report once per second: embedder, describer and the camera's driver
_MODULE = [sys.executable, "-m"]
_RATE = 0.2  # of the recording
_REPLAY = ["--ros-args", "-p", f"source:={shipped('demo/recording.mp4')}", "-p", f"rate:={_RATE}"]
_PATIENCE_S = 60.0


@dataclass
class Count:
    """Messages and bytes of each topic."""

    messages: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)

    def take(self, topic: str, raw: bytes) -> None:
        """Count one message."""
        self.messages[topic] += 1
        self.size[topic] += len(raw)

    def print(self) -> None:
        """Print a line for each topic."""
        print(f"{'topic':<24}{'messages per second':>22}{'bytes each':>12}{'MB per hour':>14}")
        for topic in TOPICS:
            rate_hz, messages = self.rate_hz(topic), self.messages[topic]
            each = self.size[topic] / messages if messages else 0.0
            print(f"{topic:<24}{rate_hz:>22.2f}{each:>12.0f}{rate_hz * each * 3600 / 1e6:>14.1f}")

    def rate_hz(self, topic: str) -> float:
        """Return the messages per second of a camera that runs at its own rate."""
        if topic == REPORTS:
            return float(NODES)
        if topic == EMBEDDINGS:
            return CAMERA_HZ * len(Bundle.load(default_bundle_path()).queries)
        if topic == STATES:
            return self.rate_hz(STATE) + 1.0
        return self.messages[topic] * CAMERA_HZ / self.messages[IMAGES]


def main() -> None:
    """Run the nodes, count, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0)
    seconds = parser.parse_args().seconds
    rclpy.init()
    node, count = rclpy.create_node("bag_cost"), Count()
    for topic, (kind, profile) in TOPICS.items():
        node.create_subscription(kind, topic, partial(count.take, topic), profile, raw=True)
    commands = (
        [*_MODULE, "vljepa_ros.nodes.pipeline"],
        [*_MODULE, "vljepa_ros.nodes.replay", *_REPLAY],
    )
    nodes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    try:
        until_s = time.monotonic() + _PATIENCE_S
        while not count.messages[STATE] and time.monotonic() < until_s:
            rclpy.spin_once(node, timeout_sec=1.0)
        count.messages.clear()
        count.size.clear()
        spin(node, seconds)
        count.print()
    finally:
        for process in nodes:
            process.terminate()
            process.wait()
        rclpy.try_shutdown()


def spin(node: Node, seconds: float) -> None:
    """Spin for a while."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        rclpy.spin_once(node, timeout_sec=left_s)


if __name__ == "__main__":
    main()
