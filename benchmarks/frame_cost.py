# SPDX-License-Identifier: Apache-2.0
"""What a new frame costs as clip or memory grow, what a further query or camera costs, and int8.

``python benchmarks/frame_cost.py`` exports the default architecture (random weights: the time does
not depend on them) at several clip lengths, and with memories of several lengths, and times the
ONNX graphs on one thread, some of them in int8 as well. Every row is also given as a ratio to a
clip of 8 frames in the same run: the ratio is the result, milliseconds are this machine's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from vljepa_ros.model.config import ModelConfig, PredictorConfig, XEncoderConfig
from vljepa_ros.model.export.graphs import (
    Graph,
    frame_encoder_graph,
    predictor_graph,
    x_encoder_graph,
)
from vljepa_ros.model.export.int8_graphs import quantise_convolutions, quantise_products
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.onnx_session import session_options

CLIPS = (4, 8, 16, 32, 64)
MEMORIES = (8, 16, 32, 64)
QUERIES = (1, 4, 10)
NATURAL = 8  # tokens of "What is the robot doing?"
CAMERAS = (1, 2, 4)  # which ask four queries, as the default model does
PRECISIONS = ("float32", "int8")
ROUNDS = 15

Job = Callable[[], object]
Quantise = Callable[[Path, Path, list[Path]], object]
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
    print("\nnew frame, four queries  ms and its ratio to float32 padded: float32, int8")
    print(f"{'clip, padded':23} {tick[1]:9.2f}  1.00")
    for name in ("trunk alone", "clip", "memory", "one token"):
        totals = [
            sum(times[f"{part} in {kind}", 8, 4] for part in {"trunk alone", name})
            for kind in PRECISIONS
        ]
        columns = (f"{total:9.2f} {total / tick[1]:5.2f}" for total in totals)
        print(f"{name:23} " + " ".join(columns))


def _sized(frames: int, *, memory: bool, pool_query: bool = False) -> ModelConfig:
    """Return the default model with clips, or a memory, of a number of frames."""
    return replace(
        DEFAULT,
        clip_frames=frames,
        x_encoder=replace(DEFAULT.x_encoder, memory=2 if memory else 0),
        predictor=replace(DEFAULT.predictor, pool_query=pool_query),
    )


def _jobs(folder: Path) -> dict[Key, Job]:
    graph = frame_encoder_graph(FrameEncoder(), DEFAULT)
    graphs, trunk = _Graphs(folder), _session(graph, folder)
    jobs: dict[Key, Job] = {("trunk", 8, count): _trunk(trunk, count) for count in CAMERAS}
    padded = DEFAULT.predictor.max_query_tokens
    for frames in CLIPS:
        jobs["clip", frames, 1] = graphs.job(_sized(frames, memory=False), 1, padded)
    for frames in MEMORIES:
        jobs["memory", frames, 1] = graphs.job(_sized(frames, memory=True), 1, NATURAL)
    for count in CAMERAS:
        jobs["cameras", 8, count] = graphs.job(DEFAULT, 4, padded, count)
    memory = _sized(8, memory=True)
    pooled = _sized(8, memory=True, pool_query=True)
    for count in QUERIES:
        jobs["padded", 8, count] = graphs.job(memory, count, padded)
        jobs["natural", 8, count] = graphs.job(memory, count, NATURAL)
        jobs["one token", 8, count] = graphs.job(pooled, count, NATURAL)
    whole = {"clip": DEFAULT, "memory": memory, "one token": pooled}
    int8_trunk = _session(graph, folder, quantise_convolutions)
    made_in = (graphs, trunk), (_Graphs(folder, quantise_products), int8_trunk)
    for kind, (made, alone) in zip(PRECISIONS, made_in, strict=True):
        jobs[f"trunk alone in {kind}", 8, 4] = _trunk(alone, 1)
        for name, config in whole.items():
            jobs[f"{name} in {kind}", 8, 4] = made.job(config, 4, NATURAL)
    return jobs


class _XEncoder(NamedTuple):
    """A session, and inputs of one camera."""

    session: onnxruntime.InferenceSession
    inputs: dict[str, np.ndarray]


def _trunk(session: onnxruntime.InferenceSession, cameras: int) -> Job:
    frames = np.zeros((cameras, DEFAULT.frame_pixels, DEFAULT.frame_pixels, 3), np.uint8)
    return lambda: session.run(None, {"frame": frames})


class _Graphs:
    """Graphs of models with random weights, each exported once."""

    def __init__(self, folder: Path, quantise: Quantise | None = None) -> None:
        self._folder, self._quantise = folder, quantise
        self._x_encoders: dict[tuple[XEncoderConfig, int], _XEncoder] = {}
        self._predictors: dict[tuple[PredictorConfig, int], onnxruntime.InferenceSession] = {}

    def job(self, config: ModelConfig, queries: int, length: int, cameras: int = 1) -> Job:
        """Return a run for a full clip or memory, and queries of ``length`` tokens."""
        x_encoder, predictor = self._x_encoder(config), self._predictor(config)
        feed = {name: np.repeat(value, cameras, 0) for name, value in x_encoder.inputs.items()}
        tokens = np.ones((queries, length, config.predictor.query_width), np.float32)
        mask = np.ones((queries, length), bool)

        def run() -> object:
            visual, *_ = x_encoder.session.run(None, feed)
            asked = {"visual_tokens": visual, "query_tokens": tokens, "query_mask": mask}
            return predictor.run(None, asked)

        return run

    def _x_encoder(self, config: ModelConfig) -> _XEncoder:
        key = config.x_encoder, config.clip_frames
        if key not in self._x_encoders:
            graph = x_encoder_graph(VLJepaModel(config))
            inputs = {name: value.numpy()[:1] for name, value in graph.inputs.items()}
            self._x_encoders[key] = _XEncoder(
                _session(graph, self._folder, self._quantise), inputs
            )
        return self._x_encoders[key]

    def _predictor(self, config: ModelConfig) -> onnxruntime.InferenceSession:
        key = config.predictor, config.visual_tokens
        if key not in self._predictors:
            graph = predictor_graph(VLJepaModel(config))
            self._predictors[key] = _session(graph, self._folder, self._quantise)
        return self._predictors[key]


def _interleaved(jobs: dict[Key, Job]) -> dict[Key, float]:
    """Return the median CPU milliseconds of each job, the jobs taking turns."""
    samples: dict[Key, list[float]] = {key: [] for key in jobs}
    for _ in range(ROUNDS + 1):
        for key, job in jobs.items():
            start = time.process_time()
            job()
            samples[key].append((time.process_time() - start) * 1e3)
    return {key: statistics.median(values[1:]) for key, values in samples.items()}


def _session(
    graph: Graph, folder: Path, quantise: Quantise | None = None
) -> onnxruntime.InferenceSession:
    file = folder / "graph.onnx"
    write_graph(graph, file)
    if quantise is not None:
        feed, plain = folder / "feed.npz", file
        np.savez(feed, **{name: value.numpy()[:1] for name, value in graph.inputs.items()})
        file = folder / "int8.onnx"
        quantise(plain, file, [feed])
    return onnxruntime.InferenceSession(
        str(file), session_options(1), providers=["CPUExecutionProvider"]
    )


if __name__ == "__main__":
    main()
