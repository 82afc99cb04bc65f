# SPDX-License-Identifier: Apache-2.0
"""The Predictor against transformers' Llama layers, and what queries may not do to each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="the reference comes from transformers")

from torch.nn.functional import normalize  # noqa: E402

from support.public_models import TINY, save_llama  # noqa: E402
from vljepa_ros.model.checkpoints.llama import load_llama  # noqa: E402
from vljepa_ros.model.predictor import Predictor  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402
from vljepa_ros.model.x_encoder import TokenMask  # noqa: E402

WIDTH, QUERY = TINY.x_encoder.width, TINY.predictor.query_width


def with_predictor(**changes):
    return replace(TINY, predictor=replace(TINY.predictor, **changes))


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    return save_llama(folder), folder


def reference(llama, predictor, visual, query, mask):
    """Run layers 1 and 2 of the Llama by hand: bidirectional, positions 0 to L - 1."""
    whole = torch.cat([predictor.visual_in(visual), predictor.query_in(query)], 1)
    real = torch.cat([torch.ones(visual.shape[:2], dtype=torch.bool), mask], 1)
    hidden = torch.zeros(real.shape).masked_fill(~real, torch.finfo(torch.float32).min)
    positions = torch.arange(whole.shape[1])[None]
    turned = llama.model.rotary_emb(whole, positions)
    for layer in llama.model.layers[1:3]:
        whole = layer(
            whole,
            attention_mask=hidden[:, None, None].expand(-1, 1, whole.shape[1], -1),
            position_ids=positions,
            position_embeddings=turned,
        )
    weight = real[..., None].to(whole.dtype)
    pooled = (llama.model.norm(whole) * weight).sum(1) / weight.sum(1)
    return normalize(predictor.out(pooled), dim=-1)


@torch.no_grad()
def test_it_equals_the_layers_of_llama_without_their_causal_mask(llama):
    torch.manual_seed(0)
    model = VLJepaModel(TINY).eval()
    load_llama(model, llama[1])
    visual, ids = torch.randn(2, 70, WIDTH), torch.randint(40, (2, 1, 5))
    mask = torch.arange(5) < torch.tensor([[[5]], [[3]]])
    query = model.query_table(ids)
    torch.testing.assert_close(query[:, 0], llama[0].model.embed_tokens(ids[:, 0]))
    found = model.predictor(visual, query, mask)[:, 0]
    expected = reference(llama[0], model.predictor, visual, query[:, 0], mask[:, 0])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.fixture(params=["joint", "shared"])
def predictor(request):
    torch.manual_seed(3)
    joint = request.param == "joint"
    return Predictor(with_predictor(joint=joint, pool_visual=joint)).eval()


@pytest.fixture
def asked():
    torch.manual_seed(4)
    return torch.randn(2, 8, WIDTH), torch.randn(2, 3, 5, QUERY)


def everything(query):
    return torch.ones(query.shape[:3], dtype=torch.bool)


@torch.no_grad()
def test_answers_are_unit_vectors(predictor, asked):
    found = predictor(*asked, everything(asked[1]))
    assert found.shape == (2, 3, TINY.embedding)
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 3))


@torch.no_grad()
def test_a_query_does_not_change_the_answer_of_another(predictor, asked):
    visual, query = asked
    together = predictor(visual, query, everything(query))
    alone = predictor(visual, query[:, 1:2], everything(query[:, 1:2]))
    torch.testing.assert_close(together[:, 1:2], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_clip_does_not_change_the_answer_of_another(predictor, asked):
    visual, query = asked
    together = predictor(visual, query, everything(query))
    alone = predictor(visual[1:], query[1:], everything(query[1:]))
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_padding_a_query_changes_nothing(predictor, asked):
    visual, query = asked
    padded = torch.cat([query, torch.randn(2, 3, 4, QUERY)], 2)
    mask = (torch.arange(9) < 5).expand(2, 3, -1)
    found, expected = predictor(visual, padded, mask), predictor(visual, query, everything(query))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_answer_depends_on_the_query_and_on_the_clip(predictor, asked):
    visual, query = asked
    first = predictor(visual, query, everything(query))
    assert (first[:, 0] - first[:, 1]).norm(dim=-1).min() > 1e-3
    other = predictor(torch.randn_like(visual), query, everything(query))
    assert (first - other).norm(dim=-1).min() > 1e-3


@torch.no_grad()
def test_all_tokens_kept_are_the_full_set(predictor, asked):
    visual, query = asked
    order = torch.stack([torch.randperm(8), torch.randperm(8)])
    mixed = visual.gather(1, order[..., None].expand(-1, -1, WIDTH))
    found = predictor(mixed, query, everything(query), TokenMask(order, 8))
    torch.testing.assert_close(
        found, predictor(visual, query, everything(query)), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_tokens_that_stay_keep_their_positions(predictor, asked):
    visual, query = asked
    few = TokenMask(torch.tensor([[1, 6], [1, 6]]), 8)
    found = predictor(visual[:, [1, 6]], query, everything(query), few)
    close = predictor(visual[:, [1, 6]], query, everything(query))
    assert (found - close).norm(dim=-1).max() > 1e-5


@torch.no_grad()
def test_visual_tokens_see_the_query_only_where_they_are_joint(asked):
    visual, query = asked
    for joint in (True, False):
        predictor = Predictor(with_predictor(joint=joint, pool_visual=joint)).eval()
        run = predictor._joint if joint else predictor._shared
        rotary = predictor.rotary(13, visual.device)
        tokens = [
            run(
                predictor.visual_in(visual),
                predictor.query_in(q),
                everything(q),
                rotary.part(0, 8),
                rotary.part(8, 13),
            )[0]
            for q in (query, torch.randn_like(query))
        ]
        assert torch.equal(*tokens) is not joint


@torch.no_grad()
def test_a_pooled_query_is_the_mean_of_its_real_tokens(asked):
    torch.manual_seed(5)
    pooled = Predictor(with_predictor(joint=False, pool_visual=False, pool_query=True)).eval()
    whole = Predictor(with_predictor(joint=False, pool_visual=False)).eval()
    whole.load_state_dict(pooled.state_dict())
    visual, query = asked
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    means = [query[:, n, : (5, 3, 1)[n]].mean(1) for n in range(3)]
    means = torch.stack(means, 1)[:, :, None]
    found = pooled(visual, query, mask.expand(2, -1, -1))
    torch.testing.assert_close(found, whole(visual, means, everything(means)))


@torch.no_grad()
def test_the_length_of_the_padding_does_not_matter(predictor, asked):
    visual, query = asked
    mask = torch.arange(5).expand(2, 3, -1) < 3
    torch.testing.assert_close(
        predictor(visual, query, mask), predictor(visual, query[:, :, :3], mask[:, :, :3])
    )
