# SPDX-License-Identifier: Apache-2.0
"""The transformer block that X-Encoder and Predictor share.

Attention is written out instead of ``scaled_dot_product_attention``: the CPU's fused backward with
a mask is slower than these lines, and TensorRT recognises the plain form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention of ``x`` over its own tokens and, optionally, a shared context."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values (..., heads, L, head width) of ``x`` (..., L, width)."""
        parts = self.query_key_value(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = parts.movedim(-3, 0).transpose(-2, -3)
        return q * self.scale, k, v

    def merge(self, attended: Tensor) -> Tensor:
        """Join the heads: (..., heads, L, head width) -> (..., L, width)."""
        return self.out(attended.transpose(-2, -3).flatten(-2))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``x`` (..., L, width)."""
        q, k, v = self.split(x)
        return self.merge((q @ k.transpose(-1, -2)).softmax(-1) @ v)

    def with_context(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Attend from ``x`` (B, Q, L, width) over ``context`` (B, N, width) and over itself.

        The context's scores are computed once for all queries. ``mask`` (B, Q, L) is True on
        real tokens of ``x``; the context has no padding.
        """
        q, k, v = self.split(x)
        _, context_k, context_v = self.split(context)
        outer = q @ context_k.unsqueeze(1).transpose(-1, -2)
        inner = q @ k.transpose(-1, -2)
        inner = inner.masked_fill(~mask[:, :, None, None, :], -1e4)
        weights = torch.cat([outer, inner], -1).softmax(-1)
        n = context.shape[-2]
        return self.merge(weights[..., :n] @ context_v.unsqueeze(1) + weights[..., n:] @ v)


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (..., L, width)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def with_context(self, x: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Transform query tokens (B, Q, L, width) that also see ``context`` (B, N, width)."""
        x = x + self.attention.with_context(self.norm1(x), self.norm1(context), mask)
        return x + self.mlp(self.norm2(x))
