# SPDX-License-Identifier: Apache-2.0
"""How much work the full-size model is, and what matrix products of its shape take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.runtime.onnx_session import session_options

PRODUCT = (2048, 1024, 4096)  # rows, inner, columns: the shape of a ViT-L layer
PRODUCT_GFLOP = 2e-9 * float(np.prod(PRODUCT, dtype=float))
ROUNDS = 3


def in_turn(jobs: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Return the median wall and CPU seconds of each job."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            wall, cpu = time.monotonic(), time.process_time()
            job()
            samples[name].append((time.monotonic() - wall, time.process_time() - cpu))
    return {
        name: (statistics.median(w for w, _ in each), statistics.median(c for _, c in each))
        for name, each in samples.items()
    }


def torch_product(threads: int) -> Callable[[], object]:
    """Return a matrix product in torch."""
    torch.set_num_threads(threads)
    rows, inner, columns = PRODUCT
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    return lambda: a @ b


def onnx_product(threads: int) -> Callable[[], object]:
    """Return a matrix product in ONNX Runtime."""
    rows, inner, columns = PRODUCT
    weight = np.random.default_rng(0).normal(size=(inner, columns)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [rows, inner])],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [rows, columns])],
        [onnx.numpy_helper.from_array(weight, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(threads), ["CPUExecutionProvider"]
    )
    a = np.random.default_rng(1).normal(size=(rows, inner)).astype(np.float32)
    return lambda: session.run(None, {"a": a})


def x_encoder_gflop(config: ModelConfig) -> float:
    """Return the work of one clip."""
    x, n = config.x_encoder, config.visual_tokens
    weights = 4 * x.width**2 + 2 * x.width * x.mlp
    content = x.channels * x.tubelet * x.patch**2
    products = n * (x.depth * (weights + 2 * n * x.width) + content * x.width)
    return 2e-9 * products


def predictor_gflop(config: ModelConfig, query_tokens: int) -> float:
    """Return the work of one query of so many tokens about a clip."""
    p, n = config.predictor, config.visual_tokens
    length = n + query_tokens
    weights = 2 * p.width**2 + 2 * p.width * p.kv_heads * p.head_width + 3 * p.width * p.mlp
    inputs = n * config.x_encoder.width + query_tokens * p.query_width
    products = length * p.depth * (weights + 2 * length * p.width) + inputs * p.width
    return 2e-9 * products
