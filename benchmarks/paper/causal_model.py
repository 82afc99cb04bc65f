# SPDX-License-Identifier: Apache-2.0
"""The ablation that keeps Llama's causal mask: a token sees those before it only."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.layers import Block, RmsNorm
from vljepa_ros.model.rotary import Rotary
from vljepa_ros.model.vljepa import VLJepaModel


class CausalBlock(Block):
    """A block under a causal mask."""

    def forward(self, x: Tensor, rotary: Rotary, mask: Tensor | None = None) -> Tensor:
        """Transform tokens (B, L, width) of which those in ``mask`` (B, L) are real."""
        before = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return super().forward(x, rotary, before[None] if mask is None else mask[:, None] & before)


def causal_model(config: ModelConfig) -> VLJepaModel:
    """Return a model whose Predictor is causal."""
    model, c = VLJepaModel(config), config.predictor
    model.predictor.blocks = nn.ModuleList(
        CausalBlock(partial(RmsNorm, c.width, eps=c.norm_eps), block.attention, block.mlp)
        for block in model.predictor.blocks
    )
    return model
