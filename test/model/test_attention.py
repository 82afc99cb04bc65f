# SPDX-License-Identifier: Apache-2.0
"""The predictor's attention against torch's own, with the mask written out."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from vljepa_ros.model.config import ModelConfig  # noqa: E402
from vljepa_ros.model.layers import Attention  # noqa: E402
from vljepa_ros.model.predictor import Predictor  # noqa: E402

SMALL = ModelConfig(
    frame_channels=3, frame_grid=4, width=24, heads=3, text_width=10, embedding=7,
    max_query_tokens=5, encoder_blocks=1, predictor_blocks=2,
)  # fmt: skip


def reference(attention: Attention, x, context, mask):
    """One sequence of context and query tokens through scaled_dot_product_attention."""
    whole = torch.cat([context, x])
    q, k, v = attention.query_key_value(whole).unflatten(-1, (3, attention.heads, -1)).unbind(-3)
    allowed = torch.cat([torch.ones(len(context), dtype=torch.bool), mask]).expand(len(whole), -1)
    out = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1), attn_mask=allowed
    )
    return attention.out(out.transpose(0, 1).flatten(1))[len(context) :]


def test_context_attention_equals_scaled_dot_product_attention():
    torch.manual_seed(1)
    attention = Attention(24, 3)
    x, context = torch.randn(2, 3, 5, 24), torch.randn(2, 8, 24)
    mask = torch.arange(5) < torch.tensor([[2, 5, 1], [3, 4, 5]])[..., None]
    found = attention.with_context(x, context, mask)
    for b in range(2):
        for q in range(3):
            expected = reference(attention, x[b, q], context[b], mask[b, q])
            torch.testing.assert_close(found[b, q], expected, atol=1e-5, rtol=1e-5)


def test_self_attention_equals_scaled_dot_product_attention():
    torch.manual_seed(2)
    attention = Attention(24, 3)
    x = torch.randn(1, 6, 24)
    expected = reference(attention, x[0], torch.empty(0, 24), torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(attention(x)[0], expected, atol=1e-5, rtol=1e-5)


@pytest.fixture
def predictor():
    torch.manual_seed(3)
    return Predictor(SMALL).eval()


def test_a_query_does_not_change_the_answer_of_another(predictor):
    visual, queries = torch.randn(1, 8, 24), torch.randn(1, 3, 5, 10)
    mask = torch.ones(1, 3, 5, dtype=torch.bool)
    together = predictor(visual, queries, mask)
    alone = predictor(visual, queries[:, 1:2], mask[:, 1:2])
    torch.testing.assert_close(together[:, 1:2], alone, atol=1e-5, rtol=1e-5)


def test_padding_does_not_change_an_answer(predictor):
    visual, query = torch.randn(1, 8, 24), torch.randn(1, 1, 5, 10)
    mask = torch.tensor([[[True, True, False, False, False]]])
    other = query.clone()
    other[0, 0, 2:] = 100.0
    torch.testing.assert_close(predictor(visual, query, mask), predictor(visual, other, mask))
    assert not torch.allclose(
        predictor(visual, query, mask), predictor(visual, other, torch.ones_like(mask)), atol=1e-3
    )


def test_the_answer_depends_on_clip_and_query(predictor):
    mask = torch.ones(1, 1, 5, dtype=torch.bool)
    visual, query = torch.randn(2, 8, 24), torch.randn(2, 1, 5, 10)
    answers = [
        predictor(visual[i : i + 1], query[j : j + 1, None], mask).flatten()
        for i in range(2)
        for j in range(2)
    ]
    cosines = torch.stack(answers) @ torch.stack(answers).T
    assert (cosines - torch.eye(4)).max() < 0.999
    torch.testing.assert_close(cosines.diagonal(), torch.ones(4))


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="clip_frames 8 is no multiple of tubelet 3"):
        ModelConfig(tubelet=3)
