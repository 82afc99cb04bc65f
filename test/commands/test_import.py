# SPDX-License-Identifier: Apache-2.0
"""``vljepa import``, ``inspect`` and ``verify`` as a user calls them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="the layouts come from transformers")

from support.public_models import (  # noqa: E402
    TINY,
    VISION,
    newer_tensors,
    save_gemma,
    save_llama,
    save_tokenizer,
    vision_model,
)
from vljepa_ros.commands.main import main  # noqa: E402
from vljepa_ros.model.checkpoints.open_vljepa import save_open_vljepa  # noqa: E402
from vljepa_ros.model.directory import load_model, open_directory  # noqa: E402
from vljepa_ros.model.presets import PRESETS  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """The public parts of a tiny model, whose dimensions are a preset as long as the test runs."""
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    vision_model().save_pretrained(tmp_path / "vjepa2")
    save_llama(tmp_path / "llama")
    save_gemma(tmp_path / "gemma")
    return tmp_path


def vljepa(*words):
    return main([str(word) for word in words])


def from_parts(parts, *more):
    given = ("--x-encoder", parts / "vjepa2", "--predictor", parts / "llama")
    given += ("--y-encoder", parts / "gemma", "--preset", "tiny", "--out", parts / "model")
    return vljepa("import", *given, *more)


def test_parts_become_a_model_that_verifies(parts, capsys):
    assert from_parts(parts) == 0
    said = capsys.readouterr().out
    assert "Llama 3.2 Community License" in said and "Gemma Terms of Use" in said
    new = "predictor.visual_in, predictor.query_in, predictor.out, y_encoder.head"
    assert f"so train before you use it: {new}" in said
    directory = open_directory(parts / "model")
    assert set(directory.licences) == {"x_encoder", "predictor", "y_encoder"}
    assert directory.query_tokenizer.read_bytes() == (parts / "llama/tokenizer.json").read_bytes()
    assert directory.text_tokenizer.read_bytes() == (parts / "gemma/tokenizer.json").read_bytes()
    assert vljepa("verify", parts / "model") == 0
    assert "ok: a random clip and texts embed to unit vectors" in capsys.readouterr().out


def test_a_folder_of_something_else_is_refused_before_anything_is_read(parts, capsys):
    assert vljepa("import", "--x-encoder", "nothing", "--out", parts) == 1
    said = capsys.readouterr().err
    assert "is no model directory, it holds gemma/, llama/, vjepa2/. Nothing was changed" in said


def test_another_programs_model_is_not_replaced(parts, capsys):
    before = {file.name: file.read_bytes() for file in (parts / "vjepa2").iterdir()}
    assert from_parts(parts, "--out", parts / "vjepa2") == 1
    assert "is no model directory, it holds config.json" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in (parts / "vjepa2").iterdir()} == before


def test_questions_that_a_user_wrote_into_a_model_directory_stay(parts):
    assert from_parts(parts) == 0
    (parts / "model" / "queries.json").write_text('{"colour": "Which colour?"}')
    assert from_parts(parts) == 0
    assert open_directory(parts / "model").queries == {"colour": "Which colour?"}


def test_new_parts_are_the_same_on_every_import(parts):
    from_parts(parts)
    first = load_model(parts / "model").predictor.out.weight.clone()
    from_parts(parts)
    assert torch.equal(load_model(parts / "model").predictor.out.weight, first)
    assert first.std() > 0.01


def test_frames_of_another_size(parts):
    assert from_parts(parts, "--pixels", 48) == 0
    config = open_directory(parts / "model").config
    assert config.frame_pixels == config.x_encoder.grid == 48
    assert config.x_encoder == replace(VISION, grid=48)


def test_a_random_model_takes_one_tokenizer_for_both(parts, capsys):
    save_tokenizer(parts / "tokenizer.json", 30)
    given = ("--random", "tiny", "--tokenizer", parts / "tokenizer.json", "--out", parts / "model")
    assert vljepa("import", *given) == 0
    assert "with random values, so train before you use it: everything" in capsys.readouterr().out
    assert vljepa("verify", parts / "model") == 0
    assert "random weights" in open_directory(parts / "model").licences["predictor"]


def test_a_file_that_is_no_tokenizer_is_refused(parts, capsys):
    (parts / "tokenizer.json").write_text("{}")
    given = ("--random", "tiny", "--tokenizer", parts / "tokenizer.json", "--out", parts / "model")
    assert vljepa("import", *given) == 1
    assert "tokenizer.json is no tokenizer to be used" in capsys.readouterr().err
    assert not (parts / "model").exists()


def test_a_bundle_in_place_of_a_model_is_named_as_one(colour_bundle, capsys):
    assert vljepa("export", "--model", colour_bundle, "--out", colour_bundle.parent / "new") == 1
    assert "is a bundle, which robots run; a model directory" in capsys.readouterr().err


def test_what_open_vljepa_needs_beside_its_file(parts, capsys):
    config = replace(TINY, predictor=replace(TINY.predictor, query_projection=False))
    save_open_vljepa(VLJepaModel(config), parts / "best.pt")
    given = ("--x-encoder", parts / "vjepa2", "--open-vljepa", parts / "best.pt")
    assert vljepa("import", *given, "--out", parts / "model") == 1
    assert "--tokenizer takes" in capsys.readouterr().err
    tokenizers = ("--tokenizer", parts / "llama/tokenizer.json", parts / "gemma/tokenizer.json")
    assert vljepa("import", *given, *tokenizers, "--out", parts / "model") == 1
    assert "does not fit" in capsys.readouterr().err  # it is not of the published size


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--x-encoder is missing"),
        (["--x-encoder", "x"], "x is missing"),
        (["--random", "tiny", "--x-encoder", "x"], "--x-encoder has no meaning with --random"),
        (["--random", "tiny"], "--tokenizer takes one"),
        (["--random", "tiny", "--tokenizer", "a", "b", "c"], "--tokenizer takes one"),
        (["--x-encoder", "x", "--open-vljepa", "y", "--predictor", "z"], "--predictor has no mea"),
        (["--x-encoder", "x", "--preset", "vljepa-metaworld-small"], "has no public X-Encoder"),
    ],
)
def test_options_that_do_not_go_together(parts, capsys, words, said):
    more = (
        ["--predictor", "p", "--y-encoder", "y"] if "--preset" in words or len(words) == 2 else []
    )
    more = [] if "--random" in words else more
    assert vljepa("import", *words, *more, "--out", parts / "model") == 1
    assert said in capsys.readouterr().err
    assert not (parts / "model").exists()


def test_inspect_shows_every_kind(parts, capsys):
    def shown(path):
        assert vljepa("inspect", path) == 0
        return capsys.readouterr().out

    assert "V-JEPA 2, transformers directory" in shown(parts / "vjepa2")
    llama = shown(parts / "llama")
    assert "num_hidden_layers: 4" in llama and "Llama 3.2 Community License" in llama
    assert "EmbeddingGemma" in shown(parts / "gemma")
    from_parts(parts)
    capsys.readouterr()
    model = shown(parts / "model")
    assert "model directory, tiny" in model and "predictor.query_projection: True" in model
    assert "F32" in model
    config = replace(TINY, predictor=replace(TINY.predictor, query_projection=False))
    save_open_vljepa(VLJepaModel(config), parts / "best.pt")
    assert "comes without a licence file" in shown(parts / "best.pt")


def test_inspect_shows_the_encoders_of_an_official_file(parts, capsys):
    tensors = newer_tensors(vision_model())
    wide = {name: torch.zeros(768) for name in ("norms_block.3.weight", "norms_block.3.bias")}
    wide["patch_embed.proj.weight"] = torch.zeros(768, 3, 2, 8, 8)
    wide["blocks.0.mlp.fc1.weight"] = torch.zeros(96, 768)
    torch.save(
        {"ema_encoder": wide, "predictor": {"a.b": tensors["img_mod_embed"]}}, parts / "x.pt"
    )
    assert vljepa("inspect", parts / "x.pt") == 0
    said = capsys.readouterr().out
    assert "V-JEPA 2.1 (.pt)" in said and "heads: 12" in said and " grid:" not in said
    assert "ema_encoder" in said and "predictor" in said


def test_inspect_says_what_it_does_not_know(parts, capsys):
    assert vljepa("inspect", parts / "nothing") == 1
    assert "nothing does not exist" in capsys.readouterr().err
    torch.save({"weights": 1, "epoch": 2}, parts / "x.pt")
    assert vljepa("inspect", parts / "x.pt") == 1
    assert "no layout that is known; its keys: weights, epoch" in capsys.readouterr().err


def test_verify_says_what_is_wrong(parts, capsys):
    from_parts(parts)
    config = json.loads((parts / "model/config.json").read_text())
    config["embedding"] = 13
    (parts / "model/config.json").write_text(json.dumps(config))
    assert vljepa("verify", parts / "model") == 1
    assert "4 tensors are wrong" in capsys.readouterr().err
