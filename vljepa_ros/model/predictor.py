# SPDX-License-Identifier: Apache-2.0
"""Predictor: visual tokens and text queries -> embeddings of the answers (paper section 3.1).

Visual tokens do not look at the queries, so that all queries share one visual pass; query tokens
see the visual tokens and their own query. The paper's predictor attends both ways.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize

from .config import ModelConfig
from .layers import Block


class Predictor(nn.Module):
    """(B, N, width), (B, Q, L, text_width), (B, Q, L) -> unit embeddings (B, Q, embedding)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.visual_in = nn.Linear(config.width, config.width)
        self.query_in = nn.Linear(config.text_width, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads) for _ in range(config.predictor_blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.embedding)

    def forward(self, visual: Tensor, query_tokens: Tensor, query_mask: Tensor) -> Tensor:
        """Predict the answer embedding of every query; the mask is True on real tokens."""
        x = self.visual_in(visual)
        q = self.query_in(query_tokens)
        for i, block in enumerate(self.blocks):
            q = block.with_context(q, x, query_mask)
            if i + 1 < len(self.blocks):  # nothing reads the visual tokens after the last block
                x = block(x)
        weight = query_mask.to(q.dtype)[..., None]
        pooled = (self.norm(q) * weight).sum(-2) / weight.sum(-2)
        return normalize(self.out(pooled), dim=-1)
