# SPDX-License-Identifier: Apache-2.0
"""What a new frame costs as clip or memory grow, and what a further query or camera costs.

``python benchmarks/frame_cost.py`` exports the default architecture (random weights: the time does
not depend on them) at several clip lengths, and with memories of several lengths, and times the
ONNX graphs on one thread. Every row is also given as a ratio to a clip of 8 frames in the same
run: the ratio is the result, milliseconds are this machine's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from vljepa_ros.model.config import MemoryConfig, ModelConfig
from vljepa_ros.model.export.graphs import (
    Graph,
    frame_encoder_graph,
    predictor_graph,
    x_encoder_graph,
)
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel

CLIPS = (4, 8, 16, 32, 64)
MEMORIES = (8, 16, 32, 64)
QUERIES = (1, 4, 10)
NATURAL = 8  # tokens of "What is the robot doing?"
CAMERAS = (1, 2, 4)  # which ask four queries, as the default model does
ROUNDS = 15

Job = Callable[[], object]
Key = tuple[str, int, int]


def main() -> None:
    """Time and print tables: by clip, by memory, by number of queries and of cameras."""
    with tempfile.TemporaryDirectory() as folder:
        times = _interleaved(_jobs(Path(folder)))
    base = times["trunk", 8, 1] + times["clip", 8, 1]
    for name, sizes in (("clip", CLIPS), ("memory", MEMORIES)):
        print(f"{name:>7}  tokens  trunk ms  head ms  new frame ms  ratio to a clip of 8")
        for size in sizes:
            tokens = _sized(size, memory=name == "memory").visual_tokens
            trunk_ms, head_ms = times["trunk", 8, 1], times[name, size, 1]
            row = f"{size:7} {tokens:7} {trunk_ms:9.2f} {head_ms:8.2f}"
            print(f"{row} {trunk_ms + head_ms:13.2f} {(trunk_ms + head_ms) / base:6.2f}")
        print()
    kinds = ("padded", "natural", "one token")
    print("queries  head ms and its ratio to one query: " + ", ".join(kinds))
    for count in QUERIES:
        columns = (
            f"{times[kind, 8, count]:9.2f} {times[kind, 8, count] / times[kind, 8, 1]:5.2f}"
            for kind in kinds
        )
        print(f"{count:7} " + " ".join(columns))
    print("\ncameras in one run  trunk ms  head ms  ratio to as many runs of one")
    tick = {n: times["trunk", 8, n] + times["cameras", 8, n] for n in CAMERAS}
    for count in CAMERAS:
        row = f"{count:18} {times['trunk', 8, count]:9.2f} {times['cameras', 8, count]:8.2f}"
        print(f"{row} {tick[count] / (count * tick[1]):7.2f}")


def _sized(frames: int, *, memory: bool, pool_query: bool = False) -> ModelConfig:
    """Return the default model with clips, or a memory, of a number of frames."""
    kept = MemoryConfig(dense=2, summaries=8) if memory else None
    return replace(
        DEFAULT,
        clip_frames=frames,
        x_encoder=replace(DEFAULT.x_encoder, memory=kept),
        predictor=replace(DEFAULT.predictor, pool_query=pool_query),
    )


def _jobs(folder: Path) -> dict[Key, Job]:
    trunk = _session(frame_encoder_graph(FrameEncoder(), DEFAULT), folder)
    jobs: dict[Key, Job] = {("trunk", 8, count): _trunk(trunk, count) for count in CAMERAS}
    padded = DEFAULT.predictor.max_query_tokens
    for frames in CLIPS:
        head = _Head(_sized(frames, memory=False), folder, padded, free=False)
        jobs["clip", frames, 1] = head.job(1, padded)
    for frames in MEMORIES:
        head = _Head(_sized(frames, memory=True), folder, NATURAL, free=False)
        jobs["memory", frames, 1] = head.job(1, NATURAL)
    clip = _Head(DEFAULT, folder, padded)
    jobs |= {("cameras", 8, count): clip.job(4, padded, count) for count in CAMERAS}
    memory = _Head(_sized(8, memory=True), folder, padded)
    jobs |= {("padded", 8, count): memory.job(count, padded) for count in QUERIES}
    jobs |= {("natural", 8, count): memory.job(count, NATURAL) for count in QUERIES}
    pooled = _Head(_sized(8, memory=True, pool_query=True), folder, padded)
    return jobs | {("one token", 8, count): pooled.job(count, NATURAL) for count in QUERIES}


def _trunk(session: onnxruntime.InferenceSession, cameras: int) -> Job:
    frames = np.zeros((cameras, DEFAULT.frame_pixels, DEFAULT.frame_pixels, 3), np.uint8)
    return lambda: session.run(None, {"frame": frames})


class _Head:
    """X-Encoder and Predictor of a model with random weights."""

    def __init__(
        self, config: ModelConfig, folder: Path, length: int, *, free: bool = True
    ) -> None:
        """Export both; without ``free`` for one camera and one query of ``length`` tokens."""
        model = VLJepaModel(config)
        graph, predictor = x_encoder_graph(model), predictor_graph(model)
        self._inputs = {name: value.numpy()[:1] for name, value in graph.inputs.items()}
        if not free:  # which takes the exporter a third of the time
            graph, predictor = _fixed(graph), _fixed(predictor, length)
        self._x_encoder = _session(graph, folder)
        self._predictor = _session(predictor, folder)
        self._width = config.predictor.query_width

    def job(self, queries: int, length: int, cameras: int = 1) -> Job:
        """Return a run for a number of queries of ``length`` tokens, a full memory or clip."""
        feed = {name: np.repeat(value, cameras, 0) for name, value in self._inputs.items()}
        tokens = np.ones((queries, length, self._width), np.float32)
        mask = np.ones((queries, length), bool)

        def run() -> object:
            visual, *_ = self._x_encoder.run(None, feed)
            asked = {"visual_tokens": visual, "query_tokens": tokens, "query_mask": mask}
            return self._predictor.run(None, asked)

        return run


def _fixed(graph: Graph, length: int = 0) -> Graph:
    """Return a graph of one camera and one query, which has ``length`` tokens."""
    inputs = {name: value[:1] for name, value in graph.inputs.items()}
    inputs |= {name: inputs[name][:, :length] for name in inputs if name.startswith("query_")}
    return replace(graph, inputs=inputs, free={})


def _interleaved(jobs: dict[Key, Job]) -> dict[Key, float]:
    """Return the median CPU milliseconds of each job, the jobs taking turns."""
    samples: dict[Key, list[float]] = {key: [] for key in jobs}
    for _ in range(ROUNDS + 1):
        for key, job in jobs.items():
            start = time.process_time()
            job()
            samples[key].append((time.process_time() - start) * 1e3)
    return {key: statistics.median(values[1:]) for key, values in samples.items()}


def _session(graph: Graph, folder: Path) -> onnxruntime.InferenceSession:
    write_graph(graph, folder / "graph.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(folder / "graph.onnx")
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
