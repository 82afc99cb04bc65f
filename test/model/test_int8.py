# SPDX-License-Identifier: Apache-2.0
"""Weights that an int8 code and a scale can say."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")

from vljepa_ros.model.int8 import round_to_int8, to_int8  # noqa: E402


def weights():
    torch.manual_seed(0)
    rows = torch.randn(500, 33) * torch.logspace(-20, 20, 500)[:, None]
    rows[7] = 0
    return rows


def test_code_times_scale_is_exact_and_near_the_weight():
    weight = weights()
    codes, scale = to_int8(weight)
    assert codes.dtype == torch.int8 and scale.shape == (500, 1)
    assert torch.equal((codes * scale).double(), codes.double() * scale.double())
    step = weight.abs().amax(1, keepdim=True) / 127
    assert ((codes * scale - weight).abs() <= 0.501 * step).all()
    assert codes.abs().amax(1).unique().tolist() == [0, 127]


def test_what_was_rounded_has_its_codes_again():
    codes, scale = to_int8(weights())
    again = to_int8(codes * scale)
    assert torch.equal(again[0], codes) and torch.equal(again[1], scale)


def test_linear_maps_and_tables_of_a_module_are_rounded_and_the_rest_is_not():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Embedding(9, 6), torch.nn.LayerNorm(6), torch.nn.Linear(6, 4)
    )
    before = {name: value.clone() for name, value in module.state_dict().items()}
    round_to_int8(module)
    once = {name: value.clone() for name, value in module.state_dict().items()}
    changed = {name for name in before if not torch.equal(before[name], once[name])}
    assert changed == {"0.weight", "2.weight"}
    round_to_int8(module)
    assert all(torch.equal(once[name], value) for name, value in module.state_dict().items())
