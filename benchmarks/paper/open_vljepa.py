# SPDX-License-Identifier: Apache-2.0
"""open-vljepa's own code (github.com/dion-jy/open-vljepa), with random weights of its true shapes.

It is no package: put a checkout on ``PYTHONPATH``. It reads public checkpoints by name, and a name
may be a folder, so folders with random weights stand for them.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.paper.costs import Job
from benchmarks.paper.in_torch import clip, in_torch, llama_config, vjepa2
from vljepa_ros.model.config import ModelConfig

PACKAGE = "openvljepa"
VOCABULARY = 128_256  # Llama's; the table of its tokens is a part of the Predictor


def found() -> bool:
    """Whether its code can be imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def encoder(folder: Path, config: ModelConfig) -> Job:
    """Return a run of its X-Encoder on a clip; weights are kept in ``folder``."""
    weights = _stored(folder / "vjepa2", lambda: vjepa2(config))
    model = _module("encoder").VJEPA2Encoder(weights)
    pixels = clip(config)
    return in_torch(lambda: model(pixels), model)


def predictor(folder: Path, config: ModelConfig, query_tokens: int) -> Job:
    """Return a run of its Predictor for a query; weights are kept in ``folder``."""
    weights = _stored(folder / "llama", lambda: _llama(config))
    model = _module("predictor").Predictor(
        weights,
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
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM(llama_config(config, VOCABULARY))


def _stored(weights: Path, make: Callable[[], Any]) -> str:
    """Return a folder with a model's weights; a run that is stopped leaves no half of it."""
    if not weights.exists():
        part = weights.with_suffix(".part")
        make().save_pretrained(part)
        part.rename(weights)
    return str(weights)
