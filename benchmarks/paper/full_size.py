# SPDX-License-Identifier: Apache-2.0
"""X-Encoder and Predictor of the paper's size: our graphs beside transformers', on one thread.

Everything has random weights. transformers' Predictor is open-vljepa's: eight layers of Llama over
visual and query tokens that all see each other. open-vljepa's own code runs too if it can be
imported. A product of matrices of a ViT-L layer's shape shows what the core can do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.full_size_work import (
    PRODUCT_GFLOP,
    onnx_product,
    predictor_gflop,
    torch_product,
    x_encoder_gflop,
)
from benchmarks.paper import open_vljepa
from benchmarks.paper.costs import Contestant, Job, costs
from benchmarks.paper.in_torch import clip, in_torch, llama_config, vjepa2
from benchmarks.paper.results import Figures
from vljepa_ros.model.config import ModelConfig, YEncoderConfig
from vljepa_ros.model.export.graphs import predictor_graph, x_encoder_graph
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.presets import PAPER
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.onnx_session import session_options

ROUNDS = 3
QUERY_TOKENS = 32
_PRODUCTS = 5  # in a round
_TINY_TEXT = YEncoderConfig(
    tower="bert",
    vocabulary=8,
    width=32,
    depth=1,
    heads=1,
    kv_heads=1,
    head_width=32,
    mlp=32,
    max_tokens=8,
)


def compare(folder: Path, config: ModelConfig = PAPER) -> dict[str, Figures]:
    """Return the cost of one clip and query; exported graphs stay in ``folder``."""
    export(folder, config)
    encoders: dict[str, Callable[[], Job]] = {
        "X-Encoder, ours": partial(our_encoder, folder, config),
        "X-Encoder, transformers with SDPA": partial(_their_encoder, config, compiled=False),
        "X-Encoder, torch.compile": partial(_their_encoder, config, compiled=True),
    }
    predictors: dict[str, Callable[[], Job]] = {
        "Predictor, ours": partial(our_predictor, folder, config),
        "Predictor, transformers with SDPA": partial(_their_predictor, config, compiled=False),
        "Predictor, torch.compile": partial(_their_predictor, config, compiled=True),
    }
    if open_vljepa.found():
        own = folder / "open_vljepa"
        encoders["X-Encoder, open-vljepa"] = partial(open_vljepa.encoder, own, config)
        predictors["Predictor, open-vljepa"] = partial(
            open_vljepa.predictor, own, config, QUERY_TOKENS
        )
    products: dict[str, Callable[[], Job]] = {
        "product, ONNX Runtime": partial(onnx_product, 1),
        "product, torch": partial(torch_product, 1),
    }
    return {  # one group after the other: each takes several GB
        **_group(encoders, x_encoder_gflop(config), 1),
        **_group(predictors, predictor_gflop(config, QUERY_TOKENS), 1),
        **_group(products, PRODUCT_GFLOP, _PRODUCTS),
    }


def _group(jobs: dict[str, Callable[[], Job]], gflop: float, runs: int) -> dict[str, Figures]:
    found = costs({name: Contestant(job, 1, runs) for name, job in jobs.items()}, ROUNDS)
    return {
        name: {**figures, "gflop": gflop, "gflop_per_s": 1e3 * gflop / figures["ms"]}
        for name, figures in found.items()
    }


def export(folder: Path, config: ModelConfig) -> None:
    """Write the two graphs, unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "complete"
    if done.exists():
        return
    torch.manual_seed(0)
    model = VLJepaModel(replace(config, query_vocabulary=8, y_encoder=_TINY_TEXT)).eval()
    write_graph(x_encoder_graph(model), folder / "x_encoder.onnx")
    write_graph(predictor_graph(model), folder / "predictor.onnx")
    done.touch()


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), session_options(1), ["CPUExecutionProvider"])


def our_encoder(folder: Path, config: ModelConfig) -> Job:
    """Return a run of our X-Encoder on a clip."""
    session = _session(folder / "x_encoder.onnx")
    side = config.frame_pixels
    random = np.random.default_rng(0)
    clip = random.integers(0, 256, (1, config.clip_frames, side, side, 3), np.uint8)
    return lambda: session.run(None, {"frames": clip})


def our_predictor(folder: Path, config: ModelConfig) -> Job:
    """Return a run of our Predictor for a query."""
    session = _session(folder / "predictor.onnx")
    visual, query = _tokens(config)
    feed = {
        "visual_tokens": visual.numpy(),
        "query_tokens": query.numpy(),
        "query_mask": np.ones((1, QUERY_TOKENS), bool),
    }
    return lambda: session.run(None, feed)


def _their_encoder(config: ModelConfig, *, compiled: bool) -> Job:
    model, pixels = vjepa2(config), clip(config)
    return in_torch(
        lambda: model(pixels, skip_predictor=True).last_hidden_state, model, compiled=compiled
    )


def _their_predictor(config: ModelConfig, *, compiled: bool) -> Job:
    model = LlamaPredictor(config)
    visual, query = _tokens(config)
    return in_torch(lambda: model(visual, query), model, compiled=compiled)


class LlamaPredictor(nn.Module):
    """open-vljepa's Predictor, made of transformers' parts.

    Visual tokens (B, N, width) and query tokens (B, L, width) -> answers (B, embedding).
    """

    def __init__(self, config: ModelConfig) -> None:
        from transformers import LlamaModel

        super().__init__()
        width = config.predictor.width
        self.layers = LlamaModel(llama_config(config, vocabulary=8))
        self.visual_in = nn.Linear(config.x_encoder.width, width)
        self.out = nn.Linear(width, config.embedding)

    def forward(self, visual: Tensor, query: Tensor) -> Tensor:
        """Predict the answer of one query about each clip."""
        x = torch.cat([self.visual_in(visual), query], 1)
        mask = x.new_zeros(len(x), 1, x.shape[1], x.shape[1])  # nothing is hidden
        positions = torch.arange(x.shape[1])[None]
        turned = self.layers.rotary_emb(x, position_ids=positions)
        for layer in self.layers.layers:
            x = layer(x, attention_mask=mask, position_embeddings=turned)
        return self.out(self.layers.norm(x).mean(1))


def _tokens(config: ModelConfig) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    visual = torch.randn(1, config.visual_tokens, config.x_encoder.width, generator=random)
    return visual, torch.randn(1, QUERY_TOKENS, config.predictor.query_width, generator=random)
