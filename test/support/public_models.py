# SPDX-License-Identifier: Apache-2.0
"""Small models of transformers with random weights, saved as its users find them on the hub."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    Gemma3TextConfig,
    Gemma3TextModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    VJEPA2Config,
    VJEPA2Model,
)

from vljepa_ros.model.config import (
    ModelConfig,
    PredictorConfig,
    RotaryScaling,
    XEncoderConfig,
    YEncoderConfig,
)

VISION = XEncoderConfig(grid=32, patch=8, width=48, depth=2, heads=2, mlp=96)
NEWER_VISION = replace(VISION, rotary="interleaved", position_grid=16, image_tokens=True)
TINY = ModelConfig(
    name="tiny",
    frame_pixels=32,
    clip_frames=4,
    embedding=12,
    query_vocabulary=40,
    x_encoder=VISION,
    predictor=PredictorConfig(
        width=32,
        depth=2,
        heads=4,
        kv_heads=2,
        mlp=48,
        rotary_scaling=RotaryScaling(context=64),
        query_width=32,
        query_projection=True,
        max_query_tokens=6,
        first_layer=1,
    ),
    y_encoder=YEncoderConfig(
        vocabulary=50,
        width=24,
        depth=3,
        heads=3,
        kv_heads=1,
        head_width=8,
        mlp=40,
        window=8,
        max_tokens=16,
    ),
)


def randomised(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """Give every parameter, also biases and the scales of norms, a value that matters."""
    torch.manual_seed(seed)
    for name, value in model.named_parameters():
        torch.nn.init.normal_(value, mean=float("norm" in name and "bias" not in name), std=0.2)
    return model.eval()


def vision_model(crop: int = 32) -> VJEPA2Model:
    """Return a V-JEPA 2 of VISION's size, for frames of ``crop`` pixels."""
    config = VJEPA2Config(
        crop_size=crop,
        patch_size=VISION.patch,
        hidden_size=VISION.width,
        num_hidden_layers=VISION.depth,
        num_attention_heads=VISION.heads,
        mlp_ratio=VISION.mlp / VISION.width,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
    )
    return randomised(VJEPA2Model(config))


def save_llama(folder: Path, **changes: object) -> LlamaForCausalLM:
    """Save a Llama for TINY's Predictor; its config.json is written as that of Llama 3.2."""
    p = TINY.predictor
    fields = {
        "vocab_size": TINY.query_vocabulary,
        "hidden_size": p.width,
        "intermediate_size": p.mlp,
        "num_hidden_layers": 4,
        "num_attention_heads": p.heads,
        "num_key_value_heads": p.kv_heads,
        "rms_norm_eps": p.norm_eps,
        "rope_theta": p.rotary_base,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 32.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        "tie_word_embeddings": True,
    } | changes
    model = randomised(LlamaForCausalLM(LlamaConfig(**deepcopy(fields))))
    model.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **fields}))
    save_tokenizer(folder / "tokenizer.json", TINY.query_vocabulary)
    return model


def save_gemma(folder: Path, **changes: object) -> None:
    """Save an EmbeddingGemma that fits TINY's Y-Encoder."""
    y = TINY.y_encoder
    fields = {
        "vocab_size": y.vocabulary,
        "hidden_size": y.width,
        "intermediate_size": y.mlp,
        "num_hidden_layers": y.depth,
        "num_attention_heads": y.heads,
        "num_key_value_heads": y.kv_heads,
        "head_dim": y.head_width,
        "query_pre_attn_scalar": y.head_width,
        "sliding_window": y.window,
        "use_bidirectional_attention": True,
        "max_position_embeddings": 2048,
    } | changes
    randomised(Gemma3TextModel(Gemma3TextConfig(**fields))).save_pretrained(folder)
    old = {"model_type": "gemma3_text", "rope_theta": 1e6, "rope_local_base_freq": 1e4}
    (folder / "config.json").write_text(json.dumps({**old, **fields}))
    save_tokenizer(folder / "tokenizer.json", y.vocabulary)


def save_tokenizer(path: Path, rows: int) -> None:
    """Save a tokenizer of ``rows`` words."""
    words = models.WordLevel({f"w{i}": i for i in range(rows)}, unk_token="w0")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def official_tensors(model: VJEPA2Model) -> dict[str, torch.Tensor]:
    """Return the encoder of a V-JEPA 2 as Meta's own files name it."""
    state = model.encoder.state_dict()
    tensors = {}
    for name, value in state.items():
        name = name.replace("embeddings.patch_embeddings.", "patch_embed.")
        name = name.replace("layernorm.", "norm.").replace("layer.", "blocks.")
        name = name.replace("attention.", "attn.")
        if not any(part in name for part in (".query.", ".key.", ".value.")):
            tensors[name] = value.clone()
    for kind in ("weight", "bias"):
        for i in range(VISION.depth):
            parts = [state[f"layer.{i}.attention.{p}.{kind}"] for p in ("query", "key", "value")]
            tensors[f"blocks.{i}.attn.qkv.{kind}"] = torch.cat(parts)
    return tensors


def newer_tensors(model: VJEPA2Model) -> dict[str, torch.Tensor]:
    """Return an encoder in V-JEPA 2.1's layout, with the weights of a V-JEPA 2."""
    tensors = official_tensors(model)
    torch.manual_seed(1)
    for i in range(3):
        for kind in ("weight", "bias"):
            tensors[f"norms_block.{i}.{kind}"] = torch.randn(VISION.width)
    for kind in ("weight", "bias"):
        tensors[f"norms_block.3.{kind}"] = tensors.pop(f"norm.{kind}")
    image = torch.randn(VISION.width, 3, 1, VISION.patch, VISION.patch)
    tensors["patch_embed_img.proj.weight"] = 0.1 * image
    tensors["patch_embed_img.proj.bias"] = torch.randn(VISION.width)
    tensors["img_mod_embed"] = torch.randn(1, 1, VISION.width)
    tensors["video_mod_embed"] = torch.randn(1, 1, VISION.width)
    return tensors
