# SPDX-License-Identifier: Apache-2.0
"""What a new frame costs as the clip grows, and what a further query or camera costs.

``python benchmarks/frame_cost.py`` exports the default architecture (random weights: the time does
not depend on them) at several clip lengths and times the ONNX graphs on one thread. Every row is
also given as a ratio to the default clip in the same run: the ratio is the result, milliseconds
are this machine's.
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

from vljepa_ros.model.export.graphs import (
    frame_encoder_graph,
    predictor_graph,
    x_encoder_graph,
)
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel

CLIPS = (4, 8, 16, 32, 64)
QUERIES = (1, 4, 10)
CAMERAS = (1, 2, 4)  # which ask four queries, as the default model does
ROUNDS = 15


def main() -> None:
    """Time and print three tables: by clip length, and by number of queries and of cameras."""
    with tempfile.TemporaryDirectory() as folder:
        trunk, heads = _export(Path(folder))
    jobs: dict[tuple[str, int, int], Callable[[], object]] = {("trunk", 0, 0): _trunk(trunk, 1)}
    jobs |= {("clip", frames, 1): _head(heads[frames], frames, 1) for frames in CLIPS}
    jobs |= {("query", 8, count): _head(heads[8], 8, count) for count in QUERIES}
    for count in CAMERAS:
        jobs["trunk of cameras", 8, count] = _trunk(trunk, count)
        jobs["head of cameras", 8, count] = _head(heads[8], 8, 4, count)
    times = _interleaved(jobs)
    base = times["trunk", 0, 0] + times["clip", 8, 1]
    print(" clip  tokens  trunk ms  head ms  new frame ms  ratio")
    for frames in CLIPS:
        tokens = replace(DEFAULT, clip_frames=frames).visual_tokens
        trunk_ms, head_ms = times["trunk", 0, 0], times["clip", frames, 1]
        total = trunk_ms + head_ms
        row = f"{frames:5} {tokens:7} {trunk_ms:9.2f} {head_ms:8.2f}"
        print(f"{row} {total:13.2f} {total / base:6.2f}")
    print("\nqueries  head ms  ratio to one query")
    for count in QUERIES:
        head_ms = times["query", 8, count]
        print(f"{count:7} {head_ms:8.2f} {head_ms / times['query', 8, 1]:7.2f}")
    print("\ncameras in one run  trunk ms  head ms  ratio to as many runs of one")
    tick = {n: times["trunk of cameras", 8, n] + times["head of cameras", 8, n] for n in CAMERAS}
    for count in CAMERAS:
        parts = (times[f"{part} of cameras", 8, count] for part in ("trunk", "head"))
        row = f"{count:18} {next(parts):9.2f} {next(parts):8.2f}"
        print(f"{row} {tick[count] / (count * tick[1]):7.2f}")


def _export(folder: Path) -> tuple[object, dict[int, tuple[object, object]]]:
    write_graph(frame_encoder_graph(FrameEncoder(), DEFAULT), folder / "f.onnx")
    trunk = _session(folder / "f.onnx")
    model, heads = VLJepaModel(DEFAULT), {}
    for frames in CLIPS:
        model.config = replace(DEFAULT, clip_frames=frames)
        write_graph(x_encoder_graph(model), folder / "x.onnx")
        write_graph(predictor_graph(model), folder / "p.onnx")
        heads[frames] = (_session(folder / "x.onnx"), _session(folder / "p.onnx"))
    return trunk, heads


def _trunk(session: object, cameras: int) -> Callable[[], object]:
    frames = np.zeros((cameras, DEFAULT.frame_pixels, DEFAULT.frame_pixels, 3), np.uint8)
    return lambda: session.run(None, {"frame": frames})


def _head(
    sessions: tuple[object, object], frames: int, queries: int, cameras: int = 1
) -> Callable[[], object]:
    encoder, predictor = sessions
    x, p = DEFAULT.x_encoder, DEFAULT.predictor
    rng = np.random.default_rng(0)
    features = rng.normal(size=(cameras, frames, x.channels, x.grid, x.grid)).astype(np.float32)
    tokens = rng.normal(size=(queries, p.max_query_tokens, p.query_width)).astype(np.float32)
    mask = np.ones((queries, p.max_query_tokens), bool)

    def run() -> object:
        (visual,) = encoder.run(None, {"features": features})
        feed = {"visual_tokens": visual, "query_tokens": tokens, "query_mask": mask}
        return predictor.run(None, feed)

    return run


def _interleaved(
    jobs: dict[tuple[str, int, int], Callable[[], object]],
) -> dict[tuple[str, int, int], float]:
    """Return the median CPU milliseconds of each job, the jobs taking turns."""
    samples: dict[tuple[str, int, int], list[float]] = {key: [] for key in jobs}
    for _ in range(ROUNDS + 1):
        for key, job in jobs.items():
            start = time.process_time()
            job()
            samples[key].append((time.process_time() - start) * 1e3)
    return {key: statistics.median(values[1:]) for key, values in samples.items()}


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
