# SPDX-License-Identifier: Apache-2.0
"""The paper's model at full size on this machine's CPU: export, load, one clip through the node.

``scripts/with_env.sh .venv python benchmarks/full_size.py --work DIR`` (after ``make train-venv``
and ``.venv/bin/pip install psutil``) imports random weights and exports them with ``vljepa``,
starts the embedder node with the bundle, and plays the shipped recording to it until an embedding
comes. Then it times the graphs, in turn with plain matrix products, which show what the machine
can do at most. Seconds of CPU count both threads, so that other load changes them little.

It takes 10 GB of memory, 10 GB of disk in DIR, which it leaves there, and some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
import rclpy
from full_size_work import (
    PRODUCT_GFLOP,
    in_turn,
    onnx_product,
    predictor_gflop,
    torch_product,
    x_encoder_gflop,
)
from node_cost import RECORDING, EmbeddingCounter, end
from tokenizers import Tokenizer, models, pre_tokenizers

from vljepa_ros.model.presets import PAPER
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.onnx_session import OnnxGraph

THREADS = 2
QUERY_TOKENS = 32
QUERIES = {"scene": "What is happening in the video?"}
PHRASES = {"scene": ["a robot opens a drawer", "a robot is not moving", "a hand holds a cup"]}


def main() -> None:
    """Run all of it and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder for model and bundle")
    work = parser.parse_args().work
    work.mkdir(parents=True, exist_ok=True)
    model, folder = work / "model", work / "bundle"
    texts = _write_texts(work)
    _command("import", "--random", PAPER.name, "--tokenizer", texts["tokenizer"], "--out", model)
    export = ["--queries-file", texts["queries"], "--phrases-file", texts["phrases"]]
    export += ["--query-tokens", QUERY_TOKENS]
    _command("export", "--model", model, "--out", folder, *export)
    bundle = Bundle.load(folder)
    for name, file in bundle.graphs.items():
        graph = onnx.load(folder / file, load_external_data=False).graph
        size = sum(e.bytes for n, e in bundle.files.items() if n.startswith(file)) / 1e6
        print(f"{name}: {len(graph.node)} nodes, {size:.0f} MB")
    _load(folder)
    _node(folder)
    _speed(bundle)


def _write_texts(work: Path) -> dict[str, Path]:
    """Write a tokenizer of few words, queries and phrases; return their paths."""
    words = {word: i for i, word in enumerate(["[UNK]", *" ".join(PHRASES["scene"]).split()])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    paths = {name: work / f"{name}.json" for name in ("tokenizer", "queries", "phrases")}
    tokenizer.save(str(paths["tokenizer"]))
    paths["queries"].write_text(json.dumps(QUERIES))
    paths["phrases"].write_text(json.dumps(PHRASES))
    return paths


def _command(name: str, *options: object) -> None:
    """Run a command of vljepa; print its time and the most memory that it took."""
    began = time.monotonic()
    words = [sys.executable, "-m", "vljepa_ros", name, *map(str, options)]
    process = subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": str(THREADS)})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"vljepa {name} failed")
    seconds, cpu = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    most = usage.ru_maxrss / 1e6
    print(
        f"vljepa {name}: {seconds:.0f} s ({cpu:.0f} s of CPU), {most:.1f} GB at most", flush=True
    )


def _load(folder: Path) -> None:
    began, cpu = time.monotonic(), time.process_time()
    model = VLJepa.load(folder, threads=THREADS)
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    resident = psutil.Process().memory_info().rss / 1e9
    print(f"load and run once: {seconds:.0f} s ({cpu:.0f} s of CPU), {resident:.1f} GB resident")
    model.close()


def _node(folder: Path) -> None:
    """Print how long one clip takes from the start of the node to its embedding."""
    rclpy.init()
    options = ["-p", f"bundle:={folder}", "-p", f"threads:={THREADS}"]
    embedder = ["-m", "vljepa_ros.nodes.embedder", "--ros-args", *options]
    replay = ["-m", "vljepa_ros.nodes.replay", "--ros-args", "-p", f"source:={RECORDING}"]
    began = time.monotonic()
    started = [subprocess.Popen([sys.executable, *embedder])]
    try:
        with EmbeddingCounter("/embedder/embedding") as counter:
            started.append(subprocess.Popen([sys.executable, *replay, "-p", "loop:=true"]))
            counter.wait_for(1, timeout_s=600)
        seconds = time.monotonic() - began
        process = psutil.Process(started[0].pid)
        resident = process.memory_info().rss / 1e9
        print(f"node: first embedding {seconds:.0f} s after its start, {resident:.1f} GB resident")
    finally:
        for each in started:
            end(each)
        rclpy.shutdown()


def _speed(bundle: Bundle) -> None:
    """Print the CPU seconds of the graphs and products, in turn, and what they compute in one."""
    rng = np.random.default_rng(0)
    c, size = PAPER, bundle.frame
    clip = rng.integers(0, 256, (1, bundle.clip.frames, size.height, size.width, 3), np.uint8)
    encoder, predictor = (OnnxGraph(bundle, n, THREADS) for n in ("x_encoder", "predictor"))
    feed = {
        "visual_tokens": encoder.run({"frames": clip})[0],
        "query_tokens": rng.normal(size=(1, QUERY_TOKENS, c.predictor.query_width)).astype("f4"),
        "query_mask": np.ones((1, QUERY_TOKENS), bool),
    }
    jobs: dict[str, tuple[float, Callable[[], object]]] = {
        "product in torch": (PRODUCT_GFLOP, torch_product(THREADS)),
        "product in ONNX Runtime": (PRODUCT_GFLOP, onnx_product(THREADS)),
        "X-Encoder": (x_encoder_gflop(c), lambda: encoder.run({"frames": clip})),
        "Predictor, one query": (predictor_gflop(c, QUERY_TOKENS), lambda: predictor.run(feed)),
    }
    print(f"{'on 2 threads':25} {'GFLOP':>6} {'wall s':>8} {'CPU s':>8} {'GFLOP per CPU s':>16}")
    for name, (wall, cpu) in in_turn({name: job for name, (_, job) in jobs.items()}).items():
        gflop = jobs[name][0]
        print(f"{name:25} {gflop:6.0f} {wall:8.2f} {cpu:8.2f} {gflop / cpu:16.1f}")


if __name__ == "__main__":
    main()
