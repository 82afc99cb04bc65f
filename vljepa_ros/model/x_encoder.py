# SPDX-License-Identifier: Apache-2.0
"""X-Encoder: frame features of a clip -> visual tokens (paper section 3.1, at a small size).

Like V-JEPA 2 it cuts the clip into tubelets. A tubelet's content is the mean of its frames and
their differences: the differences carry the motion, which a frozen image trunk does not see.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import ModelConfig
from .layers import Block

DIFFERENCE_GAIN = 2.0


class XEncoder(nn.Module):
    """Features (B, T, C, h, w) -> visual tokens (B, N, width)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        content = config.tubelet * config.frame_channels * config.patch**2
        self.register_buffer("feature_scale", torch.ones(()))
        self.embed = nn.Linear(content, config.width)
        self.position = nn.Parameter(torch.randn(config.visual_tokens, config.width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads) for _ in range(config.encoder_blocks)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, features: Tensor, keep: Tensor | None = None) -> Tensor:
        """Encode a clip; ``keep`` (B, K) indexes the tokens that stay (token drop in training)."""
        x = self.embed(self._tubelets(features * self.feature_scale)) + self.position
        if keep is not None:
            x = x.gather(1, keep[..., None].expand(-1, -1, x.shape[-1]))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def _tubelets(self, features: Tensor) -> Tensor:
        """Cut (B, T, C, h, w) into (B, N, content), tokens in (time, row, column) order."""
        c = self.config
        side = c.frame_grid // c.patch
        x = features.unflatten(1, (-1, c.tubelet))
        difference = (x[:, :, 1:] - x[:, :, :-1]) * DIFFERENCE_GAIN
        x = torch.cat([x.mean(2, keepdim=True), difference], 2)
        x = x.reshape(
            -1,
            c.clip_frames // c.tubelet,
            c.tubelet,
            c.frame_channels,
            side,
            c.patch,
            side,
            c.patch,
        )
        return x.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).flatten(1, 3)
