# SPDX-License-Identifier: Apache-2.0
"""CPU time per published embedding: the embedder, the bare model calls, and two other nodes.

All of them answer the default model's four queries about every clip, or pretend to.

``scripts/with_env.sh .venv python benchmarks/node_cost.py`` (after ``make train-venv`` and
``.venv/bin/pip install psutil``) replays the shipped recording at 10 Hz over loopback
DDS to the embedder, to ``plain_node.py`` and to ``empty_node.py``, and makes the embedder's ONNX
Runtime calls on the same clips at the same pace, in turn for several rounds. It prints each round,
the medians, the ratios of the medians, and the nodes' resident memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor

from vljepa_msgs.msg import Embedding
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.preprocess import fit_frame

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "demo" / "recording.mp4"
RATE_HZ = 10.0
NODES = {
    "embedder": ["-m", "vljepa_ros.nodes.embedder"],
    "plain torch node": [str(ROOT / "benchmarks" / "plain_node.py")],
    "empty node": [str(ROOT / "benchmarks" / "empty_node.py")],
}
TOPICS = {
    "embedder": "/embedder/embedding",
    "plain torch node": "/plain/embedding",
    "empty node": "/empty/embedding",
}


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--embeddings", type=int, default=600, help="per measurement")
    args = parser.parse_args()
    rclpy.init()
    results: dict[str, list[float]] = {"bare calls": [], **{name: [] for name in NODES}}
    resident_mb = {}
    for _ in range(args.rounds):
        results["bare calls"].append(bare_calls(args.embeddings))
        for name in NODES:
            cpu_ms, resident_mb[name] = node_cost(name, args.embeddings)
            results[name].append(cpu_ms)
    medians = {name: statistics.median(values) for name, values in results.items()}
    print(f"{'CPU ms per embedding':22} {'median':>8} {'/ bare calls':>13}   rounds")
    for name, values in results.items():
        rounds = " ".join(f"{value:.1f}" for value in values)
        ratio = medians[name] / medians["bare calls"]
        print(f"{name:22} {medians[name]:8.2f} {ratio:13.2f}   {rounds}")
    share = medians["embedder"] / medians["plain torch node"]
    print(f"the embedder takes {share:.2f} of the plain node's time")
    print("resident MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in resident_mb.items()))


def bare_calls(count: int) -> float:
    """Return CPU milliseconds of the model calls alone per embedding, at the camera's pace."""
    model = VLJepa.load(threads=1)
    size, clip = model.bundle.frame, model.bundle.clip
    window = ClipWindow(clip.frames, clip.rate_hz)
    queries = [model.encode_query(text) for text in model.bundle.queries.values()]
    tokens, mask = (np.stack([getattr(q, part) for q in queries]) for part in ("tokens", "mask"))
    spent, done = 0.0, 0
    with av.open(str(RECORDING)) as video:
        for i, frame in enumerate(video.decode(video=0)):
            small = fit_frame(
                frame.to_ndarray(format="rgb24"), height=size.height, width=size.width
            )
            start = time.process_time()
            (features,) = model.backend.encode_frames(small[None])
            spent += time.process_time() - start
            window.push(round(i / RATE_HZ * 1e9), features)
            if (cut := window.clip()) is None:
                spent = 0.0
                continue
            features = np.stack(cut.frames)[None]
            start = time.process_time()
            model.backend.embed(features, tokens, mask)
            spent += time.process_time() - start
            done += len(queries)
            if done >= count:
                break
            time.sleep(1 / RATE_HZ)  # the pace of the camera: idle cores run slower and colder
    model.close()
    return spent / done * 1e3


def node_cost(name: str, count: int) -> tuple[float, float]:
    """Return a node's CPU milliseconds per embedding, and its resident memory in MB."""
    replay = ["-m", "vljepa_ros.nodes.replay", "--ros-args", "-p", f"source:={RECORDING}"]
    started = [subprocess.Popen([sys.executable, *NODES[name]])]
    try:
        with Counter(TOPICS[name]) as counter:
            started.append(subprocess.Popen([sys.executable, *replay, "-p", "loop:=true"]))
            counter.wait_for(5)
            process = psutil.Process(started[0].pid)
            before, first = process.cpu_times(), counter.count
            counter.wait_for(first + count)
            after, last = process.cpu_times(), counter.count
            resident_mb = process.memory_info().rss / 1e6
    finally:
        for each in started:
            end(each)
    spent = (after.user + after.system) - (before.user + before.system)
    return spent / (last - first) * 1e3, resident_mb


def end(process: subprocess.Popen[bytes]) -> None:
    """End a node; rclpy may miss a signal that comes while it begins to wait, so ask again."""
    while process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(1.0)


class Counter:
    """Counts the messages of an embedding topic."""

    def __init__(self, topic: str) -> None:
        self.count = 0
        self._node = rclpy.create_node("counter")
        self._node.create_subscription(Embedding, topic, self._on_embedding, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()

    def wait_for(self, count: int, timeout_s: float = 120.0) -> None:
        """Spin until so many messages have come, or raise TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while self.count < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {self.count} of {count} embeddings came")
            self._executor.spin_once(timeout_sec=0.5)

    def _on_embedding(self, message: Embedding) -> None:
        self.count += 1


if __name__ == "__main__":
    main()
