# SPDX-License-Identifier: Apache-2.0
"""A model directory is written whole or not at all, and read strictly."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="towers come from transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from support.public_models import TINY, save_tokenizer  # noqa: E402
from vljepa_ros.files import OccupiedError  # noqa: E402
from vljepa_ros.model.checkpoints.tensors import CheckpointError  # noqa: E402
from vljepa_ros.model.directory import (  # noqa: E402
    load_model,
    open_directory,
    save_model,
    tensor_shapes,
)
from vljepa_ros.model.empty import empty_model, initialise_rest  # noqa: E402
from vljepa_ros.model.verification import verify_model  # noqa: E402
from vljepa_ros.model.vljepa import Tokens, VLJepaModel  # noqa: E402


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return VLJepaModel(TINY).eval()


@pytest.fixture
def save(model, tmp_path):
    save_tokenizer(tmp_path / "tokenizer.json", 40)

    def save(**more):
        given = {
            "licences": {"x_encoder": "MIT"},
            "text_tokenizer": tmp_path / "tokenizer.json",
            "query_tokenizer": tmp_path / "tokenizer.json",
        }
        save_model(tmp_path / "model", model, **{**given, **more})
        return tmp_path / "model"

    return save


def something(config=TINY):
    torch.manual_seed(1)
    ids = torch.randint(40, (1, 2, 5))
    return torch.randn(1, 4, 3, 32, 32), Tokens(ids, torch.ones_like(ids, dtype=torch.bool))


@torch.no_grad()
def test_a_model_that_was_read_computes_what_it_did(model, save):
    other = load_model(save())
    assert torch.equal(other.embed(*something()), model.embed(*something()))
    texts = Tokens(*(t[0] for t in something()[1]))
    assert torch.equal(other.embed_text(texts), model.embed_text(texts))
    assert not other.training and other.predictor.out.weight.requires_grad
    assert not other.query_table.weight.requires_grad


def test_what_lies_beside_the_weights(save):
    folder = save(queries={"action": "What happens?"}, phrases={"action": ["it rains"]})
    found = open_directory(folder)
    assert found.config == TINY
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    assert found.licences == {"x_encoder": "MIT"}
    assert found.queries == {"action": "What happens?"}
    assert found.phrases == {"action": ["it rains"]}
    assert found.query_tokenizer == folder / "query_tokenizer.json"
    assert open_directory(save()).queries == {}


def test_values_of_a_model_that_was_read_may_be_changed_and_the_file_stays(save):
    folder = save()
    before = (folder / "model.safetensors").read_bytes()
    other = load_model(folder)
    with torch.no_grad():
        other.predictor.out.weight.add_(1)
    assert (folder / "model.safetensors").read_bytes() == before


def test_a_failed_write_leaves_the_old_model_and_no_litter(save, tmp_path):
    folder = save()
    with pytest.raises(FileNotFoundError):
        save(text_tokenizer=tmp_path / "nowhere.json", licences={})
    assert open_directory(folder).licences == {"x_encoder": "MIT"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "tokenizer.json"]
    save(licences={"x_encoder": "other"})
    assert open_directory(folder).licences == {"x_encoder": "other"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "tokenizer.json"]


def test_a_folder_of_something_else_is_not_replaced(save, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").touch()
    with pytest.raises(OccupiedError, match="is no model directory, it holds thesis.tex"):
        save()
    assert (tmp_path / "model" / "thesis.tex").is_file()


def test_another_programs_model_of_the_same_file_names_is_not_replaced(save, tmp_path):
    """Transformers writes config.json and model.safetensors as well."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "vjepa2"}')
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(OccupiedError, match="it holds config.json, model.safetensors"):
        save()
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == b"weights"


def test_a_model_with_something_else_in_it_is_not_replaced(save):
    folder = save()
    (folder / "notes").mkdir()
    with pytest.raises(OccupiedError, match="is a model directory, but it also holds notes/"):
        save(licences={})
    assert open_directory(folder).licences == {"x_encoder": "MIT"}


def test_a_table_of_queries_needs_its_tokenizer(save):
    with pytest.raises(CheckpointError, match="needs their tokenizer"):
        save(query_tokenizer=None)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "licences.json", "query_tokenizer.json"]
)
def test_a_missing_file_is_named(save, name):
    folder = save()
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} is missing"):
        load_model(folder)


def test_a_configuration_that_does_not_fit_the_weights(save):
    folder = save()
    values = TINY.to_dict() | {"embedding": 13}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match="4 tensors are wrong") as error:
        load_model(folder)
    assert "shape (12, 32) instead of (13, 32): predictor.out.weight" in str(error.value)
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="config.json is no JSON"):
        load_model(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="config.json is no configuration of ours"):
        load_model(folder)


def test_shapes_are_read_without_the_weights(save):
    shapes = tensor_shapes(save() / "model.safetensors")
    assert shapes["predictor.out.weight"] == ("F32", (12, 32))
    assert shapes["log_scale"] == ("F32", ())


def test_an_empty_model_takes_no_memory_until_it_is_initialised(model):
    empty = empty_model(TINY)
    assert {n for n, v in empty.named_parameters() if not v.is_meta} == {"log_scale"}
    assert not any(value.is_meta for value in empty.buffers())
    drawn = initialise_rest(empty.predictor, seed=3)
    assert {"visual_in", "query_in", "out", "blocks.0.norm1"} <= set(drawn)
    assert all(value.isfinite().all() for value in empty.predictor.parameters())
    assert initialise_rest(empty.predictor, seed=3) == []


def test_a_sound_model_is_verified(save):
    said = list(verify_model(save()))
    assert any("none missing" in line for line in said)
    assert said[-1] == "a random clip and texts embed to unit vectors of 12 dimensions"


def change_weights(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_values_that_are_not_finite_are_found(save):
    folder = save()
    change_weights(folder, lambda t: t["predictor.out.bias"].fill_(float("nan")))
    with pytest.raises(CheckpointError, match="not finite: predictor.out.bias"):
        list(verify_model(folder))


def test_embeddings_that_overflow_are_found(save):
    folder = save()
    change_weights(folder, lambda t: t["predictor.out.weight"].fill_(3e38))
    with pytest.raises(CheckpointError, match="embeddings of length"):
        list(verify_model(folder))


def test_a_tokenizer_with_more_tokens_than_the_table_has_rows_is_found(save):
    folder = save()
    save_tokenizer(folder / "query_tokenizer.json", 41)
    with pytest.raises(CheckpointError, match="has token 40, but the model's table 40 rows"):
        list(verify_model(folder))
    special = Tokenizer.from_file(str(folder / "text_tokenizer.json"))
    special.add_special_tokens([f"<{i}>" for i in range(11)])  # numbers 40 to 50
    special.save(str(folder / "text_tokenizer.json"))
    save_tokenizer(folder / "query_tokenizer.json", 40)
    assert "and no text may hold <10>" in next(verify_model(folder))
    (folder / "query_tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="query_tokenizer.json is no tokenizer"):
        list(verify_model(folder))


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("x_encoder", "depth", 200_000),
        ("predictor", "mlp", 1_000_000),
        ("y_encoder", "depth", 500_000),
        ("y_encoder", "vocabulary", 10_000_000),
        (None, "embedding", 1_000_000),
        (None, "query_vocabulary", 10_000_000),
    ],
)
def test_a_model_that_its_weights_cannot_fill_is_refused_before_it_is_made(
    save, monkeypatch, part, field, value
):
    folder = save()
    config = json.loads((folder / "config.json").read_text())
    (config if part is None else config[part])[field] = value
    (folder / "config.json").write_text(json.dumps(config))
    made = []
    monkeypatch.setattr(torch.nn.Linear, "__init__", lambda *sizes, **more: made.append(sizes))
    with pytest.raises(CheckpointError, match=r"describes a model of more than \d+ values, but"):
        list(verify_model(folder))
    assert made == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("licences.json", "[]"),
        ("licences.json", '{"all": 3}'),
        ("queries.json", '"what?"'),
        ("queries.json", '{"what": ["what?"]}'),
        ("phrases.json", '{"what": "a door"}'),
        ("phrases.json", "[" * 100_000),
        ("config.json", "[" * 100_000),
        ("config.json", "3"),
        ("text_tokenizer.json", '{"model": {"type": "WordLevel", "vocab": {}}}'),
        ("text_tokenizer.json", "\0"),
        ("model.safetensors", "\0" * 100),
    ],
)
def test_a_file_of_another_kind_is_named(save, name, content):
    folder = save(queries={"what": "What?"}, phrases={"what": ["a door"]})
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        list(verify_model(folder))


def test_a_tokenizer_that_fails_for_unknown_words_is_found(save):
    folder = save()
    tokenizer = json.loads((folder / "text_tokenizer.json").read_text())
    tokenizer["model"]["unk_token"] = "[NOT THERE]"
    (folder / "text_tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="no tokenizer to be used.*no tokens for 'qzx"):
        list(verify_model(folder))


def test_a_decoder_of_impossible_size_is_refused(save):
    folder = save()
    decoder = {"embedding": TINY.embedding, "width": 2**62, "longest": 3, "words": [" a"]}
    (folder / "y_decoder.json").write_text(json.dumps(decoder))
    save_file({"x": torch.zeros(1)}, folder / "y_decoder.safetensors")
    with pytest.raises(CheckpointError, match=r"y_decoder\.json: .*train the decoder again"):
        list(verify_model(folder))
