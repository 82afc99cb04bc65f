# SPDX-License-Identifier: Apache-2.0
"""Seconds from ``kill -9`` to the first embedding, while a camera goes on at 10 Hz.

``scripts/with_env.sh .venv python benchmarks/restart.py`` kills the pipeline again and again and
starts it at once, and prints the median and the worst. A launch file's respawn adds its delay.
It also tells how much shared memory the killed processes left behind.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from vljepa_msgs.msg import Embedding, ModelInfo
from vljepa_ros.nodes.common.conversions import to_image
from vljepa_ros.nodes.common.qos import embeddings, latched

RATE_HZ = 10.0
NODES = [sys.executable, "-m", "vljepa_ros.nodes.pipeline"]
SHARED = Path("/dev/shm")
_PATIENCE_S = 60.0


class Camera(Node):
    """Publishes an image again and again; notes when an embedding comes back.

    Attributes:
        embedded: set by each embedding.
        active: set when an embedder becomes active.
    """

    def __init__(self) -> None:
        """Begin."""
        super().__init__("camera")
        self.embedded, self.active = threading.Event(), threading.Event()
        self._image = np.zeros((480, 640, 3), dtype=np.uint8)
        self._images = self.create_publisher(Image, "image_raw", 5)
        create = self.create_subscription
        create(Embedding, "embedder/embedding", lambda _: self.embedded.set(), embeddings())
        create(ModelInfo, "embedder/model_info", lambda _: self.active.set(), latched(1))
        self.create_timer(1.0 / RATE_HZ, self._publish)

    def _publish(self) -> None:
        self._images.publish(to_image(self._image, self.get_clock().now().to_msg(), "camera"))


def main() -> None:
    """Kill, wait, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    kills = parser.parse_args().kills
    rclpy.init()
    camera = Camera()
    thread = threading.Thread(target=spin, args=(camera,), daemon=True)
    thread.start()
    process = subprocess.Popen(NODES, stderr=subprocess.DEVNULL)
    assert camera.embedded.wait(_PATIENCE_S), "no embedding before the first kill"
    before = shared_bytes()
    took_s, active_s = [], []
    for _ in range(kills):
        process, embedded, active = restart(camera, process)
        took_s.append(embedded)
        active_s.append(active)
        print(f"active after {active:.2f} s, first embedding after {embedded:.2f} s", flush=True)
    left = (shared_bytes() - before) / kills / 1e6
    process.terminate()
    process.wait()
    rclpy.try_shutdown()
    thread.join()
    print(
        f"{kills} kills: first embedding after {statistics.median(took_s):.2f} s in the median, "
        f"{max(took_s):.2f} s at worst (active after {statistics.median(active_s):.2f} s); "
        f"{left:.2f} MB of shared memory more after each"
    )


def restart(
    camera: Camera, process: subprocess.Popen[bytes]
) -> tuple[subprocess.Popen[bytes], float, float]:
    """Kill the nodes and start them; return them, and the seconds to embedding and activation."""
    process.kill()
    began_s = time.monotonic()
    process.wait()
    time.sleep(0.01)  # for what is still on its way from the killed process
    camera.embedded.clear()
    camera.active.clear()
    process = subprocess.Popen(NODES, stderr=subprocess.DEVNULL)
    assert camera.active.wait(_PATIENCE_S), "the embedder does not become active"
    active_s = time.monotonic() - began_s
    assert camera.embedded.wait(_PATIENCE_S), "no embedding"
    return process, time.monotonic() - began_s, active_s


def shared_bytes() -> int:
    """Return what the middleware holds in shared memory."""
    return sum(path.stat().st_size for path in SHARED.glob("fastrtps_*"))


def spin(node: Node) -> None:
    """Serve a node until the context ends."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with suppress(ExternalShutdownException):
        executor.spin()


if __name__ == "__main__":
    main()
