# SPDX-License-Identifier: Apache-2.0
"""Configurations: presets are valid, sizes fit, and files are read strictly."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the model is tested where torch is installed")
pytest.importorskip("transformers", reason="towers come from transformers")

import torch

from support.tiny_model import TINY_DEFAULT, TINY_PAPER
from vljepa_ros.model.config import (
    ConfigError,
    ModelConfig,
    PredictorConfig,
    XEncoderConfig,
    YEncoderConfig,
)
from vljepa_ros.model.empty import empty_model
from vljepa_ros.model.presets import (
    DEFAULT,
    PAPER,
    PRESETS,
    SMALL_JETSON,
    V_JEPA_2,
    V_JEPA_2_1,
)
from vljepa_ros.model.x_encoder import XEncoder


def millions(module):
    return sum(value.numel() for value in module.parameters()) / 1e6


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_a_preset_survives_a_file(config):
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_papers_model_has_the_papers_sizes():
    model = empty_model(PAPER)
    assert millions(model.x_encoder) == pytest.approx(303.9, abs=0.1)
    # 491.8 M as the paper's 490 M are made up, and 4.2 M of the projection of the queries
    assert millions(model.predictor) == pytest.approx(491.8 + 4.2, abs=0.1)
    assert millions(model.y_encoder.tower) == pytest.approx(302.9, abs=0.1)
    assert millions(model.query_table) == pytest.approx(262.7, abs=0.1)
    assert PAPER.visual_tokens == 1024


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (V_JEPA_2["vith"], 631.6),
        (V_JEPA_2["vitg"], 1012),
        (V_JEPA_2_1["vitb"], 86.8),
        (V_JEPA_2_1["vitl"], 304),
        (V_JEPA_2_1["vitg"], 1013),
        (V_JEPA_2_1["vitG"], 1844),
    ],
)
def test_encoders_have_the_sizes_of_their_checkpoints(config, expected):
    with torch.device("meta"):
        encoder = XEncoder(config)
    assert millions(encoder) == pytest.approx(expected, rel=3e-3)


def test_the_jetsons_model_has_two_layers_and_a_small_encoder():
    model = empty_model(SMALL_JETSON)
    assert len(model.predictor.blocks) == 2
    assert model.x_encoder.config.width == 768


def test_one_image_fills_a_tubelet():
    assert PAPER.x_encoder.tokens(1) == PAPER.x_encoder.tokens(2) == 256
    assert DEFAULT.x_encoder.tokens(8) == 50


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: XEncoderConfig(depth=0), "depth 0 must be at least 1"),
        (lambda: XEncoderConfig(grid=250), "grid 250 is no multiple of patch 16"),
        (lambda: XEncoderConfig(heads=3), "width 1024 is no multiple of heads 3"),
        (lambda: XEncoderConfig(width=20, heads=5), "head width 4"),
        (lambda: XEncoderConfig(rotary="spiral"), "'spiral' is none of 'tiled', 'interleaved'"),
        (lambda: PredictorConfig(kv_heads=3), "heads 32 is no multiple of kv_heads 3"),
        (lambda: PredictorConfig(query_width=7), "set query_projection"),
        (lambda: PredictorConfig(joint=False), "pool_visual needs joint"),
        (lambda: YEncoderConfig(tower="gpt"), "'gpt' is none of 'gemma3_text', 'bert'"),
        (lambda: YEncoderConfig(tower="bert"), "bert tower"),
        (lambda: replace(PAPER, clip_rate_hz=0.0), "clip_rate_hz 0.0 must be above 0"),
        (lambda: replace(PAPER, query_vocabulary=0), "counts the rows of a table"),
        (lambda: replace(PAPER, clip_frames=3), "clip_frames 3 is no multiple of 2"),
        (lambda: replace(PAPER, frame_pixels=224), "frame_pixels 224 is not grid 256"),
        (
            lambda: replace(PAPER, queries_from="text_encoder", query_vocabulary=0),
            "query_width must be the width",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.pop("embedding"), "embedding is missing"),
        (lambda v: v["predictor"].pop("depth"), "predictor.depth is missing"),
        (lambda v: v["x_encoder"].update(layers=3), "x_encoder.layers is no known field"),
        (lambda v: v.update(embedding="12"), "embedding must be a whole number, not '12'"),
        (lambda v: v["predictor"].update(joint=1), "predictor.joint must be true or false, not 1"),
        (lambda v: v.update(y_encoder=None), "y_encoder must be an object"),
        (lambda v: v["predictor"].update(norm_eps=True), "predictor.norm_eps must be a number"),
    ],
)
def test_a_file_is_read_strictly(change, said):
    values = json.loads(json.dumps(PAPER.to_dict()))
    change(values)
    with pytest.raises(ConfigError, match=said):
        ModelConfig.from_dict(values)


def test_whole_numbers_stand_for_floats_and_nothing_for_no_scaling():
    values = PAPER.to_dict()
    values["clip_rate_hz"], values["predictor"]["rotary_scaling"] = 2, None
    config = ModelConfig.from_dict(values)
    assert config.clip_rate_hz == 2.0 and config.predictor.rotary_scaling is None


@pytest.mark.parametrize(
    ("part", "fields", "cause"),
    [
        ("x_encoder", {"tubelet": 4096}, "tubelet 4096 must be at most 1024"),
        ("x_encoder", {"width": 10**30}, "must be at most"),
        ("x_encoder", {"patch": 1}, "visual tokens, at most"),
        ("x_encoder", {"channels": 100_000}, "values, at most"),
        ("x_encoder", {"evidence_lags": [2, 1]}, "evidence_lags [2, 1] must ascend from 1"),
        ("x_encoder", {"evidence_lags": [1, 99]}, "reach back farther than the"),
        ("predictor", {"rotary_base": 0.0}, "rotary_base 0.0 must be above 0"),
        ("predictor", {"rotary_scaling": {"factor": 0.0}}, "factor 0.0 must be above 0"),
        ("predictor", {"rotary_scaling": {"low": 4.0}}, "high 4.0 must be above low 4.0"),
        ("y_encoder", {"rate": -1.0}, "rate -1.0 must be at least 0"),
    ],
)
def test_sizes_beyond_what_can_be_computed_are_refused(part, fields, cause):
    values = PAPER.to_dict()
    for name, value in fields.items():
        old = values[part][name]
        values[part][name] = {**old, **value} if isinstance(value, dict) else value
    with pytest.raises(ConfigError, match=re.escape(cause)):
        ModelConfig.from_dict(values)


def test_a_model_of_an_earlier_release_read_its_evidence_off_every_frame() -> None:
    values = TINY_DEFAULT.to_dict()
    values["x_encoder"]["evidence"] = 2
    del values["x_encoder"]["evidence_lags"]
    lags = ModelConfig.from_dict(values).x_encoder.evidence_lags
    assert lags == tuple(range(1, TINY_DEFAULT.clip_frames))


@pytest.mark.parametrize("config", [PAPER, TINY_PAPER, TINY_DEFAULT], ids=lambda c: c.name)
def test_the_matrices_are_most_of_a_model_and_no_more(config):
    held = sum(value.numel() for value in empty_model(config).parameters())
    assert held / 2 < config.matrix_values <= held
