# SPDX-License-Identifier: Apache-2.0
"""Seconds from ``kill -9`` to the first embedding, while a camera goes on at 10 Hz.

``scripts/with_env.sh .venv python benchmarks/restart.py`` kills the pipeline again and again and
starts it at once, and prints the median and the worst. A launch file's respawn adds its delay.
The kills lie 20 s apart: for so long others take a killed process for alive.
It also prints the CPU time until then, which does not depend on what else the machine does, and
the shared memory that a killed process leaves behind.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
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
_PATIENCE_S = 60.0
_LEASE_S = 20.0  # of a participant, in Fast DDS


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
    found = []
    left: set[Path] = set()
    for _ in range(kills):
        time.sleep(_LEASE_S)
        left |= shared_files(process.pid)
        process.kill()
        process.wait()
        process, restart = start(camera)
        found.append(restart)
        print(restart, flush=True)
    left = {path for path in left - shared_files(process.pid) if path.exists()}
    left -= shared_files(os.getpid())
    process.terminate()
    process.wait()
    rclpy.try_shutdown()
    thread.join()
    embedded = [restart.embedded_s for restart in found]
    print(
        f"{kills} kills: first embedding after {statistics.median(embedded):.2f} s in the median, "
        f"{max(embedded):.2f} s at worst; "
        f"{statistics.median(restart.cpu_s for restart in found):.2f} s of CPU time; "
        f"{sum(allocated(path) for path in left) / kills / 1e6:.2f} MB of shared memory left "
        "behind by each"
    )


@dataclass(frozen=True)
class Restart:
    """Seconds from a start to the active embedder and to its first embedding."""

    active_s: float
    embedded_s: float
    cpu_s: float

    def __str__(self) -> str:
        """Say it in a line."""
        return (
            f"active after {self.active_s:.2f} s, first embedding after {self.embedded_s:.2f} s "
            f"({self.cpu_s:.2f} s of CPU time)"
        )


def start(camera: Camera) -> tuple[subprocess.Popen[bytes], Restart]:
    """Start the nodes, and wait until they see."""
    time.sleep(0.05)  # for what is still on its way from the killed process
    camera.embedded.clear()
    camera.active.clear()
    began_s = time.monotonic()
    process = subprocess.Popen(NODES, stderr=subprocess.DEVNULL)
    assert camera.active.wait(_PATIENCE_S), "the embedder does not become active"
    active_s = time.monotonic() - began_s
    assert camera.embedded.wait(_PATIENCE_S), "no embedding"
    return process, Restart(active_s, time.monotonic() - began_s, cpu_seconds(process.pid))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shared_files(pid: int) -> set[Path]:
    """Return the shared memory of the middleware that a process uses."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {Path(line.split()[5]) for line in lines if "/dev/shm/" in line}


def allocated(path: Path) -> int:
    """Return the bytes of memory that a file in shared memory takes."""
    return path.stat().st_blocks * 512


def spin(node: Node) -> None:
    """Serve a node until the context ends."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    with suppress(ExternalShutdownException):
        executor.spin()


if __name__ == "__main__":
    main()
