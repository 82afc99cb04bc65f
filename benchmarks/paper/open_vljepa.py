# SPDX-License-Identifier: Apache-2.0
"""open-vljepa's own code (github.com/dion-jy/open-vljepa), with random weights of its true shapes.

It is no package: put a checkout on ``PYTHONPATH``. It reads public checkpoints by name, and a name
may be a folder, so folders with random weights stand for them.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.paper.costs import Job
from benchmarks.paper.in_torch import clip, in_torch, vjepa2
from vljepa_ros.model.config import ModelConfig

PACKAGE = "openvljepa"
VOCABULARY = 128_256  # Llama's; the table of its tokens is a part of the Predictor


def found() -> bool:
    """Whether its code can be imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def encoder(folder: Path, config: ModelConfig) -> Job:
    """Return a run of its X-Encoder on a clip; weights are kept in ``folder``."""
    weights = folder / "vjepa2"
    if not weights.exists():
        vjepa2(config).save_pretrained(weights)
    model = _module("encoder").VJEPA2Encoder(str(weights))
    pixels = clip(config)
    return in_torch(lambda: model(pixels), model)


def predictor(folder: Path, config: ModelConfig, query_tokens: int) -> Job:
    """Return a run of its Predictor for a query; weights are kept in ``folder``."""
    weights = folder / "llama"
    if not weights.exists():
        _llama(config).save_pretrained(weights)
    model = _module("predictor").Predictor(
        str(weights),
        n_keep_layers=config.predictor.depth,
        vis_dim=config.x_encoder.width,
        proj_dim=config.embedding,
    )
    visual = torch.randn(1, config.visual_tokens, config.x_encoder.width)
    words = torch.ones(1, query_tokens, dtype=torch.int64)
    return in_torch(lambda: model(visual, words, torch.ones_like(words)), model)


def _module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.models.{name}")


def _llama(config: ModelConfig) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    p = config.predictor
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=p.width,
            num_hidden_layers=p.depth,
            num_attention_heads=p.heads,
            num_key_value_heads=p.kv_heads,
            intermediate_size=p.mlp,
            tie_word_embeddings=True,
        )
    )
