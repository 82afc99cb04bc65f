# SPDX-License-Identifier: Apache-2.0
"""Rotary tables: what a rotation must do, wherever the channels stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from vljepa_ros.model.config import PredictorConfig, RotaryScaling, XEncoderConfig  # noqa: E402
from vljepa_ros.model.rotary import (  # noqa: E402
    Rotary,
    axial_tables,
    head_order,
    sequence_tables,
)

OLDER = XEncoderConfig(grid=64, width=64, heads=1)
NEWER = replace(OLDER, rotary="interleaved", position_grid=16)


@pytest.mark.parametrize("width", [6, 24, 32, 64, 72, 80])
def test_the_order_of_a_head_holds_every_channel_once(width):
    assert sorted(head_order(width)) == list(range(width))


def test_partners_of_v_jepa_come_to_stand_half_a_head_apart():
    order = head_order(64).reshape(2, 32)
    rotated = order[:, :30]
    assert (rotated[1] == rotated[0] + 1).all()
    assert (rotated[0] % 2 == 0).all()
    assert set(order[:, 30:].flat) == {60, 61, 62, 63}


def turned(tables, x):
    return Rotary(*map(torch.from_numpy, tables)).turn(x)


def test_a_true_rotation_keeps_lengths_and_the_older_tables_do_not():
    x = torch.ones(2 * 4 * 4, 64)
    lengths = [turned(axial_tables(c, 2, 4, 4), x).norm(dim=-1) for c in (NEWER, OLDER)]
    torch.testing.assert_close(lengths[0], x.norm(dim=-1))
    assert (lengths[1] - x.norm(dim=-1)).abs().max() > 0.1


def test_scores_of_a_true_rotation_depend_on_the_distance_alone():
    torch.manual_seed(0)
    tables = axial_tables(replace(NEWER, position_grid=0), 2, 4, 4)
    q, k = (turned(tables, torch.randn(64).expand(32, -1)).reshape(2, 4, 4, 64) for _ in range(2))
    torch.testing.assert_close(q[0, 0, 1] @ k[1, 2, 2], q[0, 1, 2] @ k[1, 3, 3])


@pytest.mark.parametrize("rows", [1, 2, 8, 24])
def test_newer_positions_are_stretched_to_the_same_grid(rows):
    cos, _ = axial_tables(NEWER, 1, rows, 16)
    fastest = cos.reshape(rows, 16, 64)[:, :, 10]  # frequency 1 of the rows
    places = np.linspace(0, 15, rows) if rows > 1 else np.zeros(1)
    np.testing.assert_allclose(fastest, np.cos(places)[:, None].repeat(16, 1), atol=1e-6)


def test_older_positions_are_counted_in_patches():
    cos, _ = axial_tables(OLDER, 3, 2, 5)
    fastest = cos.reshape(3, 2, 5, 64)[..., [0, 10, 20]]  # frequency 1 of frame, row and column
    np.testing.assert_allclose(fastest[2, 1, 4], np.cos([2, 1, 4]), atol=1e-6)


def test_channels_beyond_the_three_axes_stand_still():
    cos, sin = axial_tables(OLDER, 2, 4, 4)
    rest = [30, 31, 62, 63]
    assert (cos[:, rest] == 1).all() and (sin[:, rest] == 0).all()


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_sequence_tables_equal_transformers(factor):
    transformers = pytest.importorskip("transformers")
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    config = PredictorConfig(rotary_scaling=RotaryScaling(factor=factor))
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    theirs = LlamaRotaryEmbedding(
        transformers.LlamaConfig(hidden_size=2048, num_attention_heads=32, rope_parameters=rope)
    )
    cos, sin = theirs(torch.zeros(1), torch.arange(2000)[None])
    found = sequence_tables(config, 2000)
    np.testing.assert_allclose(found[0], cos[0].numpy(), atol=3e-4)  # they multiply in float32
    np.testing.assert_allclose(np.abs(found[1]), np.abs(sin[0].numpy()), atol=3e-4)


def test_rows_of_kept_tokens_are_those_of_the_whole_table():
    rotary = Rotary(*map(torch.from_numpy, axial_tables(OLDER, 2, 4, 4)))
    kept = rotary.rows(torch.tensor([[3, 7], [0, 31]]))
    assert kept.cos.shape == (2, 1, 2, 64)
    assert torch.equal(kept.sin[1, 0, 1], rotary.sin[31])
