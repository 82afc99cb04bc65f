# SPDX-License-Identifier: Apache-2.0
"""The trained parts of the small VL-JEPA together: X-Encoder, Predictor, text projection."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .config import ModelConfig
from .predictor import Predictor
from .x_encoder import XEncoder


class VLJepaModel(nn.Module):
    """Everything that training changes; frame trunk and text encoder are frozen beside it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.x_encoder = XEncoder(config)
        self.predictor = Predictor(config)
        self.text_projection = nn.Linear(config.text_width, config.embedding, bias=False)
        nn.init.orthogonal_(self.text_projection.weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def embed_text(self, sentence: Tensor) -> Tensor:
        """Y-Encoder head: sentence states (..., text_width) -> unit embeddings."""
        return normalize(self.text_projection(sentence), dim=-1)

    def forward(
        self,
        features: Tensor,
        query_tokens: Tensor,
        query_mask: Tensor,
        keep: Tensor | None = None,
    ) -> Tensor:
        """Return unit embeddings (B, Q, embedding) of the answers."""
        return self.predictor(self.x_encoder(features, keep), query_tokens, query_mask)

    @property
    def scale(self) -> Tensor:
        """The learned inverse temperature, bounded as in CLIP."""
        return self.log_scale.exp().clamp(max=100.0)
