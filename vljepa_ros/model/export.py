# SPDX-License-Identifier: Apache-2.0
"""Torch modules to ONNX graphs, each checked against torch before it is kept.

Opset 18, plain attention: what every TensorRT from 10.3 on and ONNX Runtime can read. An export
that differs from torch by more than 1e-4 relative is an error and leaves no file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .config import ModelConfig
from .frame_encoder import FrameEncoder
from .vljepa import VLJepaModel

OPSET = 18
TOLERANCE = 1e-4


class ExportError(RuntimeError):
    """An exported graph does not compute what torch computes."""


def export_frame_encoder(config: ModelConfig, path: Path) -> None:
    """Write ``frame`` uint8 (1, H, W, 3) -> ``features`` float32 (1, C, h, w)."""
    side = config.frame_pixels
    frame = torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8)
    _export(FrameEncoder(), (frame,), path, ["frame"], ["features"])


def export_x_encoder(model: VLJepaModel, path: Path) -> None:
    """Write ``features`` (1, T, C, h, w) -> ``visual_tokens`` (1, N, width)."""
    c = model.config
    features = torch.randn(1, c.clip_frames, c.frame_channels, c.frame_grid, c.frame_grid)
    _export(model.x_encoder, (features,), path, ["features"], ["visual_tokens"])


class _OneClip(nn.Module):
    """The predictor for one clip: no batch axis on the queries."""

    def __init__(self, predictor: nn.Module) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, visual: Tensor, query_tokens: Tensor, query_mask: Tensor) -> Tensor:
        return self.predictor(visual, query_tokens[None], query_mask[None])[0]


def export_predictor(model: VLJepaModel, path: Path) -> None:
    """Write visual tokens and Q queries -> ``embeddings`` (Q, embedding); Q is dynamic."""
    c = model.config
    visual = torch.randn(1, c.visual_tokens, c.width)
    queries = torch.randn(3, c.max_query_tokens, c.text_width)
    mask = torch.arange(c.max_query_tokens)[None] < torch.tensor([[3], [9], [c.max_query_tokens]])
    names = ["visual_tokens", "query_tokens", "query_mask"]
    q = torch.export.Dim("Q", min=1, max=256)
    _export(
        _OneClip(model.predictor),
        (visual, queries, mask),
        path,
        names,
        ["embeddings"],
        ({}, {0: q}, {0: q}),
    )


def export_y_encoder(minilm: Path, projection: NDArray[np.float32], path: Path) -> None:
    """Extend MiniLM by mean pooling and our projection (embedding, text width).

    ``input_ids``, ``attention_mask`` (1, L) -> ``token_states`` (1, L, E), ``embedding`` (1, D).
    The graph is for one unpadded text, so that the pooling needs no mask.
    """
    model = onnx.load(str(minilm))
    graph = model.graph
    helper = onnx.helper
    graph.node.insert(0, helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"]))
    for value in list(graph.input):
        if value.name == "token_type_ids":
            graph.input.remove(value)
    _rename(graph, "embedding", "minilm_embedding")  # MiniLM's own inner tensor
    weights = onnx.numpy_helper.from_array(np.ascontiguousarray(projection.T), "projection")
    graph.initializer.append(weights)
    graph.node.extend(
        [
            helper.make_node("Identity", ["last_hidden_state"], ["token_states"]),
            helper.make_node("ReduceMean", ["last_hidden_state"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "projection"], ["projected"]),
            helper.make_node("LpNormalization", ["projected"], ["embedding"], axis=1, p=2),
        ]
    )
    states = helper.make_tensor_value_info(
        "token_states", onnx.TensorProto.FLOAT, [1, "L", projection.shape[1]]
    )
    embedding = helper.make_tensor_value_info(
        "embedding", onnx.TensorProto.FLOAT, [1, projection.shape[0]]
    )
    del graph.output[:]
    graph.output.extend([states, embedding])
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]


def _export(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: list[str],
    output_names: list[str],
    dynamic_shapes: tuple[dict[int, torch.export.Dim], ...] | None = None,
) -> None:
    module = module.eval()
    torch.onnx.export(
        module,
        inputs,
        str(path),
        input_names=input_names,
        output_names=output_names,
        opset_version=OPSET,
        dynamo=True,
        dynamic_shapes=dynamic_shapes,
        external_data=False,
        verbose=False,
    )
    _strip(path)
    try:
        _check(module, inputs, path, input_names)
    except ExportError:
        path.unlink()
        raise


def _strip(path: Path) -> None:
    """Remove what the exporter notes for debugging: stack traces with this machine's paths."""
    model = onnx.load(str(path))
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, str(path))


def _check(
    module: nn.Module, inputs: tuple[Tensor, ...], path: Path, input_names: list[str]
) -> None:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {name: value.numpy() for name, value in zip(input_names, inputs, strict=True)}
    (found,) = session.run(None, feed)
    with torch.no_grad():
        expected = module(*inputs).numpy()
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    if not error <= TOLERANCE:
        raise ExportError(f"{path.name} differs from torch by {error:.1e} relative")
