# SPDX-License-Identifier: Apache-2.0
"""The transformer block that X-Encoder and Predictor share: V-JEPA's and Llama's differ in sizes.

Queries, keys and values come from one product. Queries are scaled before they meet the keys, as
TensorRT's fused attention wants it, and the query heads that share a key are laid side by side, so
that grouped attention (Llama) copies no key.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from vljepa_ros.model.rotary import Rotary

_HIDDEN = -1e4  # a score that becomes 0 in the softmax, and that half precision can hold


class Attention(nn.Module):
    """Rotary multi-head attention; ``kv_heads`` fewer than ``heads`` are shared among them."""

    def __init__(self, width: int, heads: int, kv_heads: int, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads = heads, kv_heads
        self.head_width = width // heads
        self.qkv = nn.Linear(width, (heads + 2 * kv_heads) * self.head_width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def project(self, x: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (B, heads, L, d), keys and values (B, kv heads, L, d) of (B, L, width).

        Queries and keys are turned, and the queries scaled.
        """
        parts = self.qkv(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        q, k, v = parts.split([self.heads, self.kv_heads, self.kv_heads], 1)
        return rotary.turn(q, self.head_width**-0.5), rotary.turn(k), v

    def mix(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend and join the heads: (B, L, width).

        ``mask`` is True on the keys that may be seen: (B, keys), or (B, L, keys) if they differ
        by query, which needs as many heads of keys as of queries.
        """
        length = q.shape[2]
        q = q.reshape(q.shape[0], self.kv_heads, -1, self.head_width)
        attended = _attend(q, k, v, mask)
        heads = attended.reshape(q.shape[0], self.heads, length, self.head_width)
        return self.out(heads.transpose(1, 2).flatten(2))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attend with queries that are scaled already.

    Written out on the CPU: its fused backward with a mask is slower than these lines, and the
    exporter takes them as they stand. On a GPU the fused kernel saves the score matrix.
    """
    if mask is not None and mask.ndim == 2:
        mask = mask[:, None]
    allowed = None if mask is None else mask[:, None]
    if q.is_cuda:
        return scaled_dot_product_attention(q, k.to(q.dtype), v.to(q.dtype), allowed, scale=1.0)
    scores = q @ k.transpose(-1, -2)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, _HIDDEN)
    return scores.softmax(-1) @ v


class GeluMlp(nn.Module):
    """Two linear maps with a GELU between them (V-JEPA)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (..., width)."""
        return self.down(torch.nn.functional.gelu(self.up(x)))


class RmsNorm(nn.RMSNorm):
    """Root mean square norm (Llama), in float32 even if autocast would round its mean."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise tokens (..., width)."""
        return super().forward(x.to(self.weight.dtype))


class GatedMlp(nn.Module):
    """SwiGLU (Llama): gate and value come from one product."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (..., width)."""
        gate, value = self.up(x).chunk(2, -1)
        return self.down(silu(gate) * value)


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(
        self, norm: Callable[[], nn.Module], attention: Attention, mlp: nn.Module
    ) -> None:
        super().__init__()
        self.norm1 = norm()
        self.attention = attention
        self.norm2 = norm()
        self.mlp = mlp

    def project(self, x: Tensor, rotary: Rotary) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the tokens ask, offer and tell; see :meth:`Attention.project`."""
        return self.attention.project(self.norm1(x), rotary)

    def mix(
        self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Finish the block for tokens ``x`` whose queries are ``q``; see :meth:`Attention.mix`."""
        x = x + self.attention.mix(q, k, v, mask)
        return x + self.mlp(self.norm2(x))

    def forward(self, x: Tensor, rotary: Rotary, mask: Tensor | None = None) -> Tensor:
        """Transform tokens (B, L, width); ``mask`` as of :meth:`Attention.mix`."""
        return self.mix(x, *self.project(x, rotary), mask)
