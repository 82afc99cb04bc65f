# SPDX-License-Identifier: Apache-2.0
"""A model out of its bundle's own graphs, and its weights back into them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.further_bundle import write_further
from vljepa_ros.model.export.int8_to_floats import in_floats
from vljepa_ros.model.export.precision import LowPrecision, lower_precision
from vljepa_ros.model.from_bundle import agreement, config_of, graph_weights, model_from_bundle
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.bundle import MANIFEST, Bundle, write_manifest
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import Reference

QUERIES = {"action": "What is the robot doing?"}
PHRASES = {"action": ("it waits", "it moves")}


@pytest.fixture(scope="module")
def base() -> Bundle:
    """Return the shipped bundle."""
    folder = Path(__file__).resolve().parents[2] / "engines" / "default"
    if not (folder / "manifest.json").is_file():
        pytest.skip("there is no shipped bundle")
    return Bundle.load(folder)


@pytest.fixture(scope="module")
def floats(base: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the shipped bundle with its weights as floats: int8 would round changed ones."""
    folder = shutil.copytree(base.root, tmp_path_factory.mktemp("floats") / "bundle")
    for graph in ("x_encoder", "predictor"):
        file = folder / base.graphs[graph]
        onnx.save(in_floats(onnx.load(str(file))), str(file))
    fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for computed in ("format", "files", "lowered", "cpu_graphs"):
        fields.pop(computed, None)
    return write_manifest(folder, fields | {"precision": "fp32"})


@pytest.fixture
def model(base: Bundle) -> VLJepaModel:
    return model_from_bundle(base)


def write(model: VLJepaModel, base: Bundle, out: Path, clips: int = 1) -> Bundle:
    out.mkdir()
    clip = Reference.from_bundle(base).clip
    return write_further(
        model,
        base,
        out,
        queries=QUERIES,
        phrases=PHRASES,
        licences=base.licences,
        clips=np.stack([clip] * clips) if clips else np.empty((0, *clip.shape), np.uint8),
    )


def test_the_rebuilt_model_computes_what_its_bundle_does(model: VLJepaModel, base: Bundle) -> None:
    runtime = VLJepa.load(base.root)
    assert agreement(model, runtime).clip == pytest.approx(1.0, abs=2e-4)  # it is in int8
    model.predictor.blocks[0].mlp.down.weight.data.neg_()
    with pytest.raises(CheckpointError, match="does not compute what the bundle does"):
        agreement(model, runtime)
    runtime.close()


def test_weights_that_changed_come_back(
    model: VLJepaModel, floats: Bundle, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    for part in (model.x_encoder, model.predictor, model.y_encoder.head):
        for value in part.parameters():
            value.data += 0.02 * torch.randn_like(value)
    model.config = replace(model.config, name="mine", clip_rate_hz=2.5)
    found = write(model, floats, tmp_path / "mine")
    assert (found.name, found.clip.rate_hz, found.queries) == ("mine", 2.5, QUERIES)
    assert found.space_id != floats.space_id
    assert "y_decoder" not in found.graphs
    again = model_from_bundle(Bundle.load(found.root))
    assert again.config == model.config
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    runtime = VLJepa.load(found.root)  # compares the graphs with the reference
    assert runtime.phrases.texts == PHRASES
    runtime.close()


def test_weights_of_a_tower_in_int8_stay(model: VLJepaModel, base: Bundle) -> None:
    weights = graph_weights(model, base, "y_encoder")
    state = {name: value + 1 for name, value in model.y_encoder.state_dict().items()}
    with pytest.raises(CheckpointError, match="stored as int8"):
        weights.write(state)


def test_what_comes_of_a_bundle_in_int8_is_in_int8(base: Bundle, tmp_path: Path) -> None:
    clip = Reference.from_bundle(base).clip
    copy = Path(shutil.copytree(base.root, tmp_path / "int8"))
    lowered = lower_precision(Bundle.load(copy), clip[None], LowPrecision("int8"))
    model = model_from_bundle(lowered)
    runtime = VLJepa.load(lowered.root)
    assert 0.99 < agreement(model, runtime).clip < 0.99999, "its weights were rounded"
    runtime.close()
    found = write(model, lowered, tmp_path / "mine")
    assert found == Bundle.load(found.root)
    assert found.precision == "int8"
    assert found.cpu_graphs == lowered.cpu_graphs == {"frame_encoder": "frame_encoder.int8.onnx"}
    VLJepa.load(found.root).close()  # compares the graphs with the reference


def test_a_bundle_needs_a_clip_to_be_compared_on(
    model: VLJepaModel, base: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="as long as one clip"):
        write(model, base, tmp_path / "mine", clips=0)


def test_a_graph_of_another_model_is_refused(model: VLJepaModel, base: Bundle) -> None:
    swapped = replace(base, graphs={**base.graphs, "predictor": base.graphs["x_encoder"]})
    with pytest.raises(CheckpointError, match="x_encoder.onnx"):
        graph_weights(model, swapped, "predictor")


def test_what_is_missing_is_said(colour_bundle: Path) -> None:
    with pytest.raises(CheckpointError, match="does not say its dimensions"):
        config_of(Bundle.load(colour_bundle))


def test_what_cannot_be_trained_is_refused(base: Bundle) -> None:
    with pytest.raises(CheckpointError, match="fp16 weights, which cannot be trained"):
        model_from_bundle(replace(base, precision="fp16"))
    bare = {name: file for name, file in base.graphs.items() if name != "y_encoder"}
    with pytest.raises(CheckpointError, match="no text encoder"):
        model_from_bundle(replace(base, graphs=bare))
