# SPDX-License-Identifier: Apache-2.0
"""CPU time per published embedding: the embedder, what it calls, and two other nodes.

All of them answer the default model's four queries about every clip, or pretend to. VLJEPA_BUNDLE
names another bundle.

``scripts/with_env.sh .venv python benchmarks/node_cost.py`` (after ``make train-venv`` and
``.venv/bin/pip install psutil``) replays the shipped recording at 10 Hz over loopback
DDS to the embedder, to ``plain_node.py`` and to ``empty_node.py``, and makes the embedder's calls
on the same frames at the same pace, in turn for several rounds. It prints each round, the medians,
the ratios of the medians to ONNX Runtime's calls alone, and the nodes' resident memory.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

import av
import psutil
import rclpy
from rclpy.executors import SingleThreadedExecutor

from vljepa_msgs.msg import Embedding
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Frame
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_backend import OnnxBackend
from vljepa_ros.stream.preprocess import fit_frame

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "demo" / "recording.mp4"
RATE_HZ = 10.0
BARE = "bare calls"
FRAME_ENCODER, OTHER_GRAPHS = "  frame encoder", "  X-Encoder, Predictor"
LIBRARY, PREPROCESSING = "rest of the library", "preprocessing"
PARTS = (FRAME_ENCODER, OTHER_GRAPHS, LIBRARY, PREPROCESSING)
_T = TypeVar("_T")
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
    results: dict[str, list[float]] = {name: [] for name in (BARE, *PARTS, *NODES)}
    resident_mb = {}
    for _ in range(args.rounds):
        parts = library_cost(args.embeddings)
        results[BARE].append(parts[FRAME_ENCODER] + parts[OTHER_GRAPHS])
        for part, cpu_ms in parts.items():
            results[part].append(cpu_ms)
        for name in NODES:
            cpu_ms, resident_mb[name] = node_cost(name, args.embeddings)
            results[name].append(cpu_ms)
    medians = {name: statistics.median(values) for name, values in results.items()}
    print(f"{'CPU ms per embedding':22} {'median':>8} {'/ bare calls':>13}   rounds")
    for name, values in results.items():
        rounds = " ".join(f"{value:.1f}" for value in values)
        ratio = medians[name] / medians[BARE]
        print(f"{name:22} {medians[name]:8.2f} {ratio:13.2f}   {rounds}")
    share = medians["embedder"] / medians["plain torch node"]
    print(f"the embedder takes {share:.2f} of the plain node's time")
    print("resident MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in resident_mb.items()))


def library_cost(
    count: int, bundle: Path | None = None, pace_s: float = 1 / RATE_HZ
) -> dict[str, float]:
    """Return CPU milliseconds per embedding of what the node calls.

    Args:
        count: of embeddings.
        bundle: None is that of VLJEPA_BUNDLE, or the shipped one.
        pace_s: pause after each frame: idle cores run slower and colder.
    """
    spent: Counter[str] = Counter()
    # The class, because a model takes its backend's methods when it is loaded.
    with patch.multiple(
        OnnxBackend,
        encode_frames=_timed(OnnxBackend.encode_frames, spent, FRAME_ENCODER),
        follow=_timed(OnnxBackend.follow, spent, OTHER_GRAPHS),
    ):
        return _library_cost(count, bundle, pace_s, spent)


def _library_cost(
    count: int, bundle: Path | None, pace_s: float, spent: Counter[str]
) -> dict[str, float]:
    model = VLJepa.load(bundle, threads=1)
    embedder = ClipEmbedder(model, list(model.bundle.queries))
    fit = _timed(fit_frame, spent, PREPROCESSING)
    add = _timed(embedder.add, spent, LIBRARY)
    size, done = model.bundle.frame, 0
    with av.open(str(RECORDING)) as video:
        for i, picture in enumerate(video.decode(video=0)):
            image = fit(picture.to_ndarray(format="rgb24"), height=size.height, width=size.width)
            found = add({"": Frame(round(i / RATE_HZ * 1e9), "", image, restart=False)})
            done += sum(len(each.vectors) for each in found.values())
            if not found:
                spent.clear()
            if done >= count:
                break
            time.sleep(pace_s)
    model.close()
    spent[LIBRARY] -= spent[FRAME_ENCODER] + spent[OTHER_GRAPHS]
    return {part: spent[part] / done * 1e3 for part in PARTS}


def _timed(call: Callable[..., _T], spent: Counter[str], part: str) -> Callable[..., _T]:
    """Return the call, which adds its CPU seconds to ``spent``."""

    def timed(*args: object, **kwargs: object) -> _T:
        start = time.process_time()
        try:
            return call(*args, **kwargs)
        finally:
            spent[part] += time.process_time() - start

    return timed


def node_cost(name: str, count: int) -> tuple[float, float]:
    """Return a node's CPU milliseconds per embedding, and its resident memory in MB."""
    replay = ["-m", "vljepa_ros.nodes.replay", "--ros-args", "-p", f"source:={RECORDING}"]
    started = [subprocess.Popen([sys.executable, *NODES[name]])]
    try:
        with EmbeddingCounter(TOPICS[name]) as counter:
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


class EmbeddingCounter:
    """Counts the messages of an embedding topic."""

    def __init__(self, topic: str) -> None:
        self.count = 0
        self._node = rclpy.create_node("counter")
        self._node.create_subscription(Embedding, topic, self._on_embedding, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def __enter__(self) -> EmbeddingCounter:
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
