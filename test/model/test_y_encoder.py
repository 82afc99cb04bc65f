# SPDX-License-Identifier: Apache-2.0
"""The Y-Encoder against transformers' EmbeddingGemma and sentence-transformers' mean pooling."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
transformers = pytest.importorskip("transformers", reason="the reference comes from transformers")

from torch.nn.functional import normalize  # noqa: E402

from support.public_models import TINY, save_gemma  # noqa: E402
from vljepa_ros.model.checkpoints.text_tower import load_text_tower  # noqa: E402
from vljepa_ros.model.y_encoder import YEncoder  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma")
    save_gemma(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    torch.manual_seed(0)
    encoder = YEncoder(TINY.y_encoder, TINY.embedding).eval()
    load_text_tower(encoder, folder)
    return encoder


def texts():
    torch.manual_seed(1)
    return torch.randint(50, (2, 14)), torch.arange(14) < torch.tensor([[14], [9]])


@torch.no_grad()
def test_it_equals_transformers_with_padding(folder, encoder):
    ids, mask = texts()
    model = transformers.Gemma3TextModel.from_pretrained(folder).eval()
    states = model(ids, attention_mask=mask.long()).last_hidden_state
    torch.testing.assert_close(encoder.states(ids, mask)[mask], states[mask], atol=1e-5, rtol=1e-5)
    mean = torch.stack([states[0].mean(0), states[1, :9].mean(0)])
    expected = normalize(encoder.head(mean), dim=-1)
    torch.testing.assert_close(encoder(ids, mask), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_tokens_see_those_that_come_after_them(encoder):
    ids, mask = texts()
    later = ids.clone()
    later[:, 2] += 1 - 2 * (later[:, 2] > 0).long()
    change = encoder.states(later, mask) - encoder.states(ids, mask)
    assert change[:, 0].abs().max() > 1e-3


@torch.no_grad()
def test_padding_a_text_changes_nothing(encoder):
    ids, mask = texts()
    alone = encoder(ids[1:, :9], mask[1:, :9])
    torch.testing.assert_close(encoder(ids, mask)[1:], alone, atol=1e-5, rtol=1e-5)


def test_a_rate_of_zero_freezes_the_tower_and_not_the_head():
    encoder = YEncoder(replace(TINY.y_encoder, rate=0.0), TINY.embedding)
    assert not any(value.requires_grad for value in encoder.tower.parameters())
    assert encoder.head.weight.requires_grad
