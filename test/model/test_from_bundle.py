# SPDX-License-Identifier: Apache-2.0
"""A model out of its bundle's own graphs, and what is said if that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from support.tiny_model import TINY_DEFAULT, contents, random_clips, tiny_model
from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.export.export_bundle import export_bundle
from vljepa_ros.model.from_bundle import agreement, config_of, model_from_bundle
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "engines" / "default"


def exported(config: ModelConfig, folder: Path) -> tuple[VLJepaModel, Bundle]:
    """Return a tiny model and its bundle."""
    model = tiny_model(config)
    about, clips = contents(config, folder), random_clips(config)
    return model, export_bundle(model, folder / "bundle", about, clips)


@pytest.mark.slow
def test_every_weight_comes_back_and_is_compared(tmp_path: Path) -> None:
    model, bundle = exported(TINY_DEFAULT, tmp_path)
    found = model_from_bundle(bundle)
    assert found.config == TINY_DEFAULT
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-4, atol=1e-4)
    model, runtime = model_from_bundle(bundle), VLJepa.load(bundle.root)
    assert agreement(model, runtime).clip == pytest.approx(1.0, abs=1e-4)
    model.predictor.blocks[0].mlp.down.weight.data.neg_()
    with pytest.raises(CheckpointError, match="does not compute what the bundle does"):
        agreement(model, runtime)


def test_the_shipped_bundle_comes_back() -> None:
    model = model_from_bundle(Bundle.load(SHIPPED))
    assert sum(value.numel() for value in model.parameters()) > 20e6
    assert model.x_encoder.blocks[1].mlp.up.weight.shape == (768, 192)


def test_what_is_missing_is_said(colour_bundle: Path) -> None:
    with pytest.raises(CheckpointError, match="does not say its dimensions"):
        config_of(Bundle.load(colour_bundle))


def test_lowered_weights_are_refused() -> None:
    bundle = replace(Bundle.load(SHIPPED), precision="fp16")
    with pytest.raises(CheckpointError, match="fp16 weights, which cannot be trained"):
        model_from_bundle(bundle)
