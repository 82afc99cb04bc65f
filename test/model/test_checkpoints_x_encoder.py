# SPDX-License-Identifier: Apache-2.0
"""V-JEPA 2 and 2.1 out of every layout, and what is said of files that do not fit."""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="the reference comes from transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from support.public_models import (  # noqa: E402
    NEWER_VISION,
    VISION,
    newer_tensors,
    official_tensors,
    save_llama,
    vision_model,
)
from vljepa_ros.model.checkpoints.tensors import CheckpointError  # noqa: E402
from vljepa_ros.model.checkpoints.x_encoder_weights import read_x_encoder  # noqa: E402
from vljepa_ros.model.presets import V_JEPA_2, V_JEPA_2_1  # noqa: E402
from vljepa_ros.model.x_encoder import XEncoder  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return vision_model()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vjepa2") / "saved"
    model.save_pretrained(folder)
    return folder


def loaded(path, config=VISION, key=None):
    encoder = XEncoder(config).eval()
    read_x_encoder(path, key).fill(encoder)
    return encoder


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))


@torch.no_grad()
def test_the_official_layout_gives_the_same_output_as_the_transformers_layout(
    model, folder, tmp_path
):
    torch.save({"encoder": official_tensors(model)}, tmp_path / "vitl.pt")
    clip = torch.randn(1, 4, 3, 32, 32)
    first, second = loaded(folder)(clip), loaded(tmp_path / "vitl.pt")(clip)
    assert torch.equal(first, second)
    expected = model(clip, skip_predictor=True).last_hidden_state
    torch.testing.assert_close(second, expected, atol=1e-5, rtol=1e-5)


def test_wrappers_and_a_legacy_position_table_are_taken_away(model, tmp_path):
    plain = official_tensors(model)
    wrapped = {f"module.backbone.{name}": value for name, value in plain.items()}
    wrapped["module.backbone.pos_embed"] = torch.zeros(1, 8, VISION.width)
    torch.save({"encoder": plain}, tmp_path / "plain.pt")
    torch.save({"encoder": wrapped, "predictor": {}, "epoch": 3}, tmp_path / "wrapped.pt")
    first, second = (loaded(tmp_path / f"{n}.pt").state_dict() for n in ("plain", "wrapped"))
    assert same(first, second)


def test_the_usual_key_and_any_other_of_a_file(model, tmp_path):
    averaged = {name: value + 1 for name, value in official_tensors(model).items()}
    both = {"encoder": official_tensors(model), "target_encoder": averaged}
    torch.save(both, tmp_path / "both.pt")
    bias = official_tensors(model)["patch_embed.proj.bias"]
    assert torch.equal(loaded(tmp_path / "both.pt").embedding.bias, bias)
    target = loaded(tmp_path / "both.pt", key="target_encoder")
    assert torch.equal(target.embedding.bias, bias + 1)
    with pytest.raises(CheckpointError, match="no encoder 'ema_encoder', but encoder, target_enc"):
        read_x_encoder(tmp_path / "both.pt", "ema_encoder")


@pytest.mark.parametrize("key", ["ema_encoder", "target_encoder"])
def test_v_jepa_2_1_takes_the_averaged_encoder(model, tmp_path, key):
    tensors = newer_tensors(model)
    trained = {name: value + 1 for name, value in tensors.items()}
    torch.save({"encoder": trained, key: tensors}, tmp_path / "vitb.pt")
    encoder = loaded(tmp_path / "vitb.pt", NEWER_VISION)
    assert torch.equal(encoder.norm.weight, tensors["norms_block.3.weight"])
    assert torch.equal(encoder.image_offset, tensors["img_mod_embed"].flatten())


def save_shapes(config, key, path):
    """Save a file that has the shapes of an encoder, and hardly any values."""
    shapes = {
        "patch_embed.proj.weight": (config.width, 3, 2, config.patch, config.patch),
        "norms_block.3.weight" if config.image_tokens else "norm.weight": (config.width,),
    }
    shapes |= {f"blocks.{i}.mlp.fc1.weight": (config.mlp, 1) for i in range(config.depth)}
    torch.save({key: {name: torch.zeros(1).expand(s) for name, s in shapes.items()}}, path)


@pytest.mark.parametrize("config", V_JEPA_2.values(), ids=V_JEPA_2)
def test_dimensions_of_v_jepa_2_are_read_from_the_tensors(tmp_path, config):
    save_shapes(config, "encoder", tmp_path / "x.pt")
    assert read_x_encoder(tmp_path / "x.pt").config(config.grid) == config


@pytest.mark.parametrize("config", V_JEPA_2_1.values(), ids=V_JEPA_2_1)
def test_dimensions_of_v_jepa_2_1_are_read_from_the_tensors(tmp_path, config):
    save_shapes(config, "target_encoder", tmp_path / "x.pt")
    assert read_x_encoder(tmp_path / "x.pt").config(config.grid) == config


def test_a_width_that_no_v_jepa_has_is_refused(folder, tmp_path):
    assert read_x_encoder(folder).config(32) == VISION  # a directory says how many heads it has
    save_shapes(NEWER_VISION, "ema_encoder", tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="no V-JEPA of width 48 is known, only of 768, 1024"):
        read_x_encoder(tmp_path / "x.pt").config(32)
    torch.save({"encoder": {"a": torch.zeros(1)}}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="patch_embed.proj.weight is missing"):
        read_x_encoder(tmp_path / "x.pt").config(32)


def test_a_directory_in_several_files(model, folder, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="100KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert same(loaded(tmp_path).state_dict(), loaded(folder).state_dict())


def damaged(folder, tmp_path, change):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    tensors = load_file(copy / "model.safetensors")
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    return copy


def test_everything_that_is_wrong_is_listed_at_once(folder, tmp_path):
    def change(tensors):
        del tensors["encoder.layernorm.bias"]
        tensors["encoder.layer.7.norm1.weight"] = torch.zeros(2)
        tensors["encoder.layer.0.attention.key.weight"] = torch.zeros(3, 5)

    with pytest.raises(CheckpointError, match="3 tensors are wrong") as error:
        loaded(damaged(folder, tmp_path, change))
    assert "missing: encoder.layernorm.bias" in str(error.value)
    assert "unexpected: encoder.layer.7.norm1.weight" in str(error.value)
    assert "shape (3, 5) instead of (48, 48): encoder.layer.0.attention.key" in str(error.value)


def test_the_list_is_bounded(folder, tmp_path):
    def change(tensors):
        tensors |= {f"strange.{i}": torch.zeros(1) for i in range(500)}

    with pytest.raises(CheckpointError, match=r"500 tensors are wrong[^$]*and 480 more") as error:
        loaded(damaged(folder, tmp_path, change))
    assert len(str(error.value).splitlines()) == 22


def test_a_file_that_needs_pickle_is_refused_and_not_executed(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"encoder": Trap()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="Python objects besides tensors"):
        read_x_encoder(tmp_path / "x.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_truncated_file_is_refused(model, tmp_path, kept):
    path = tmp_path / "x.pt"
    torch.save({"encoder": official_tensors(model)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="x.pt is damaged"):
        read_x_encoder(path)


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_truncated_directory_is_refused(folder, tmp_path, kept):
    copy = damaged(folder, tmp_path, dict)
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        loaded(copy)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="vitl.pt is missing"):
        read_x_encoder(tmp_path / "vitl.pt")
    with pytest.raises(CheckpointError, match="config.json is missing"):
        read_x_encoder(tmp_path)


def test_another_model_is_refused(tmp_path):
    save_llama(tmp_path)
    with pytest.raises(CheckpointError, match="a model of type llama, not vjepa2"):
        read_x_encoder(tmp_path)


def test_a_directory_that_computes_otherwise_is_refused(folder, tmp_path):
    copy = damaged(folder, tmp_path, dict)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(CheckpointError, match="hidden_act is 'relu', not 'gelu'"):
        read_x_encoder(copy)
