# SPDX-License-Identifier: Apache-2.0
"""The attention that X-Encoder and Predictor share, against torch's own."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from vljepa_ros.model.layers import Attention, GatedMlp  # noqa: E402
from vljepa_ros.model.rotary import Rotary  # noqa: E402


def still(tokens, width):
    """Positions that turn nothing."""
    return Rotary(torch.ones(tokens, width), torch.zeros(tokens, width))


def reference(attention, x, allowed):
    """One fused call, keys and values copied for each query head that shares them."""
    d, groups = attention.head_width, attention.heads // attention.kv_heads
    sizes = [attention.heads * d, attention.kv_heads * d, attention.kv_heads * d]
    q, k, v = (
        part.unflatten(-1, (-1, d)).transpose(1, 2) for part in attention.qkv(x).split(sizes, -1)
    )
    k, v = (t.repeat_interleave(groups, 1) for t in (k, v))
    return attention.out(scaled_dot_product_attention(q, k, v, allowed).transpose(1, 2).flatten(2))


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("masked", [False, True])
@torch.no_grad()
def test_it_equals_scaled_dot_product_attention(heads, kv_heads, masked):
    torch.manual_seed(1)
    attention = Attention(32, heads, kv_heads, bias=True)
    x = 3 * torch.randn(2, 6, 32)
    mask = torch.arange(6) < torch.tensor([[6], [4]]) if masked else None
    found = attention.mix(*attention.project(x, still(6, 8)), mask)
    allowed = None if mask is None else mask[:, None, None, :]
    torch.testing.assert_close(found, reference(attention, x, allowed), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_masked_token_has_no_influence():
    torch.manual_seed(2)
    attention = Attention(32, 4, 2, bias=False)
    x = torch.randn(1, 5, 32)
    changed = x.clone()
    changed[:, 4] *= 50
    mask = (torch.arange(5) < 4)[None]
    first, second = (attention.mix(*attention.project(t, still(5, 8)), mask) for t in (x, changed))
    assert torch.equal(first[:, :4], second[:, :4])


@torch.no_grad()
def test_queries_are_scaled_and_keys_are_not():
    torch.manual_seed(3)
    attention = Attention(16, 1, 1, bias=False)
    x = torch.randn(1, 2, 16)
    q, k, _ = attention.project(x, still(2, 16))
    plain_q, plain_k, _ = attention.qkv(x).chunk(3, -1)
    torch.testing.assert_close(q[:, 0], plain_q / 4)
    torch.testing.assert_close(k[:, 0], plain_k)


@torch.no_grad()
def test_the_gated_mlp_gates_with_its_first_half():
    mlp = GatedMlp(4, 6)
    x = torch.randn(3, 4)
    gate, value = (x @ mlp.up.weight.T).chunk(2, -1)
    expected = (gate * torch.sigmoid(gate) * value) @ mlp.down.weight.T
    torch.testing.assert_close(mlp(x), expected)
