# SPDX-License-Identifier: Apache-2.0
"""Run the real nodes on a camera of 30 Hz and print what they hold, minute by minute.

``make soak MINUTES=30``. The camera is this process; embedder and describer are one other process,
as on a robot. Ends with status 1 if anything grew, slowed down or was lost.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from soak.usage import Usage
from soak.verdict import Sample, complaints
from vljepa_msgs.msg import Embedding, ModelInfo
from vljepa_ros.nodes.common.conversions import to_image, to_ns, to_stamp
from vljepa_ros.nodes.common.qos import latched, reliable

RATE_HZ = 30.0
HEIGHT, WIDTH = 480, 640
_CHANGE_S = 4.0  # how long the scene stays the same
_START_S = 60.0
_INTERVALS = 30  # of a run


class Camera(Node):
    """Publishes a scene that changes, and notes when its embeddings come back."""

    def __init__(self) -> None:
        """Offer the images."""
        super().__init__("camera")
        rng = np.random.default_rng(0)
        self._scenes = rng.integers(0, 255, (5, HEIGHT, WIDTH, 3), dtype=np.uint8)
        self._lock = threading.Lock()
        self._latencies: dict[int, float] = {}
        self.published = 0
        self.ready = threading.Event()
        self._images = self.create_publisher(Image, "image_raw", reliable(5))
        create = self.create_subscription
        create(ModelInfo, "embedder/model_info", lambda _: self.ready.set(), latched(1))
        create(Embedding, "embedder/embedding", self._on_embedding, reliable(500))
        self.create_timer(1.0 / RATE_HZ, self._publish)

    def take_latencies(self) -> list[float]:
        """Return the milliseconds of the ticks since the last call."""
        with self._lock:
            taken, self._latencies = self._latencies, {}
        return list(taken.values())

    def _publish(self) -> None:
        now_ns = self.get_clock().now().nanoseconds
        scene = self._scenes[int(now_ns / 1e9 / _CHANGE_S) % len(self._scenes)]
        self._images.publish(to_image(scene, to_stamp(now_ns), "camera"))
        self.published += 1

    def _on_embedding(self, message: Embedding) -> None:
        stamp_ns = to_ns(message.header.stamp)
        with self._lock:
            self._latencies[stamp_ns] = (self.get_clock().now().nanoseconds - stamp_ns) / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Run, print the table and the verdict, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--bundle", default="", help="default: the shipped one")
    given = parser.parse_args(arguments)
    with _camera() as camera, _nodes(given.bundle) as process:
        if not camera.ready.wait(_START_S):
            print(f"soak: the nodes do not start within {_START_S:g} s")
            return 1
        samples = list(_watch(camera, process, given.minutes))
    if len(samples) < _INTERVALS:
        print(f"soak: FAILED: the nodes ended with status {process.poll()}")
        return 1
    found = complaints(samples[1:])  # the first interval holds the start
    print(f"soak: {'FAILED: ' + '; '.join(found) if found else 'sound, nothing grew'}")
    return int(bool(found))


@contextmanager
def _camera() -> Iterator[Camera]:
    rclpy.init()
    camera = Camera()
    executor = SingleThreadedExecutor()
    executor.add_node(camera)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        rclpy.try_shutdown()
        thread.join()


@contextmanager
def _nodes(bundle: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "vljepa_ros.nodes.pipeline"]
    if bundle:
        command += ["--ros-args", "-p", f"bundle:={bundle}"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10.0)


def _watch(camera: Camera, process: subprocess.Popen[bytes], minutes: float) -> Iterator[Sample]:
    """Yield a sample for each interval, and print it; stop if the nodes end."""
    print("  minute  memory  threads  descriptors  shared  images  ticks  latency p50   p99 ms")
    began_s, images = time.monotonic(), 0
    for number in range(1, _INTERVALS + 1):
        due_s = began_s + number * 60.0 * minutes / _INTERVALS
        while (left_s := due_s - time.monotonic()) > 0:
            try:
                process.wait(left_s)
            except subprocess.TimeoutExpired:
                continue
            return
        spans = camera.take_latencies() or [float("nan")]
        p50, p99 = (float(one) for one in np.percentile(spans, [50, 99]))
        minute = (time.monotonic() - began_s) / 60.0
        taken, images = camera.published - images, camera.published
        sample = Sample(minute, Usage.of(process.pid), taken, len(spans), p50, p99)
        usage = sample.usage
        print(
            f"{minute:8.1f} {usage.memory_mib:7.1f} {usage.threads:8} {usage.descriptors:12} "
            f"{usage.shared_mib:7.1f} {taken:7} {len(spans):6} {p50:12.1f} {p99:8.1f}",
            flush=True,
        )
        yield sample


if __name__ == "__main__":
    sys.exit(main())
