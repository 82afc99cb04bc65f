# SPDX-License-Identifier: Apache-2.0
"""CPU time of the live view: nobody looks, then a page in a browser that is open.

``scripts/with_env.sh .venv python benchmarks/live_view_cost.py`` (after ``.venv/bin/pip install
psutil playwright`` and ``sudo apt install chromium``) starts embedder, describer and live view,
publishes images of 640 x 480 at 10 Hz, and prints for each case the CPU time of the live view and
of embedder and describer by tick and as percent of one core, and the live view's resident memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import av
import cv2
import psutil
import rclpy
from playwright.sync_api import sync_playwright
from rclpy.node import Node
from sensor_msgs.msg import Image

from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.conversions import to_image, to_ns
from vljepa_ros.nodes.common.qos import embeddings, sensor_data

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "demo" / "recording.mp4"
RATE_HZ, SIZE = 10.0, (640, 480)
PORT = 8749
SETTLE_S = 15.0


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="per case")
    seconds = parser.parse_args().seconds
    rclpy.init()
    with camera() as ticks, node("pipeline") as pipeline:
        time.sleep(SETTLE_S)
        tell("without a live view", seconds, ticks, pipeline)
        with node("live_view", "-p", f"port:={PORT}") as live:
            time.sleep(SETTLE_S)
            tell("nobody looks", seconds, ticks, pipeline, live)
            with page(f"http://127.0.0.1:{PORT}/"):
                time.sleep(SETTLE_S)
                tell("one page is open", seconds, ticks, pipeline, live)


def tell(
    case: str,
    seconds: float,
    ticks: set[int],
    pipeline: psutil.Process,
    live: psutil.Process | None = None,
) -> None:
    """Print what the processes take for some seconds, which is told by tick too.

    A tick is an embedding of each query. On a busy machine there are fewer than images.
    """
    watched = [pipeline, live] if live else [pipeline]
    before, first = [spent(one) for one in watched], len(ticks)
    time.sleep(seconds)
    times = [spent(one) - was for one, was in zip(watched, before, strict=True)]
    count = max(1, len(ticks) - first)
    words = [f"{1000 * one / count:.1f} ms a tick, {100 * one / seconds:.1f} %" for one in times]
    own = f"; live view {words[1]}, {live.memory_info().rss / 1e6:.0f} MB" if live else ""
    print(f"{case}, {count / seconds:.1f} Hz: embedder and describer {words[0]}{own}", flush=True)


def spent(process: psutil.Process) -> float:
    """Return the CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def node(name: str, *parameters: str) -> Iterator[psutil.Process]:
    """Run a node for the length of a block."""
    command = [sys.executable, "-m", f"vljepa_ros.nodes.{name}", "--ros-args", *parameters]
    process = subprocess.Popen(command)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def camera() -> Iterator[set[int]]:
    """Publish the recording, at the size of a camera, again and again; count the ticks."""
    ending = threading.Event()
    with av.open(str(RECORDING)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    source = Node("camera")
    publisher = source.create_publisher(Image, "image_raw", sensor_data())
    ticks: set[int] = set()  # stamps of embeddings
    source.create_subscription(
        Embedding,
        "embedder/embedding",
        lambda one: ticks.add(to_ns(one.header.stamp)),
        embeddings(),
    )
    spinning = threading.Thread(target=rclpy.spin, args=(source,), daemon=True)
    spinning.start()

    def publish() -> None:
        for frame in cycle(frames):
            stamp = source.get_clock().now().to_msg()
            publisher.publish(to_image(cv2.resize(frame, SIZE), stamp, "camera"))
            if ending.wait(1 / RATE_HZ):
                return

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield ticks
    finally:
        ending.set()
        thread.join()
        rclpy.shutdown()
        spinning.join()


@contextmanager
def page(address: str) -> Iterator[None]:
    """Have a page open in a browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    with sync_playwright() as library:
        browser = library.chromium.launch(executable_path=program, args=sandbox)
        browser.new_page(viewport={"width": 1280, "height": 720}).goto(address)
        yield
        browser.close()


if __name__ == "__main__":
    main()
