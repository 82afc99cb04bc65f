# SPDX-License-Identifier: Apache-2.0
"""Models of others that run in torch, on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.paper.costs import Job
from vljepa_ros.model.config import ModelConfig

if TYPE_CHECKING:
    from transformers import LlamaConfig


def in_torch(run: Job, model: nn.Module, *, compiled: bool = False) -> Job:
    """Return a run of a model that trains nothing."""
    torch.set_num_threads(1)
    model.eval()
    if compiled:
        model.compile()

    def job() -> object:
        with torch.inference_mode():
            return run()

    return job


def vjepa2(config: ModelConfig) -> nn.Module:
    """Return transformers' V-JEPA 2 of the same size, with random weights."""
    from transformers import VJEPA2Config, VJEPA2Model

    x = config.x_encoder
    return VJEPA2Model(
        VJEPA2Config(
            crop_size=x.grid,
            frames_per_clip=config.clip_frames,
            hidden_size=x.width,
            num_hidden_layers=x.depth,
            num_attention_heads=x.heads,
            pred_num_hidden_layers=1,  # it is not run
        )
    )


def llama_config(config: ModelConfig, vocabulary: int) -> LlamaConfig:
    """Return transformers' dimensions of the Predictor's layers."""
    from transformers import LlamaConfig

    p = config.predictor
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=p.width,
        num_hidden_layers=p.depth,
        num_attention_heads=p.heads,
        num_key_value_heads=p.kv_heads,
        intermediate_size=p.mlp,
        tie_word_embeddings=True,
    )


def clip(config: ModelConfig) -> Tensor:
    """Return random frames (1, T, 3, H, W)."""
    side = config.x_encoder.grid
    return torch.randn(1, config.clip_frames, 3, side, side)
