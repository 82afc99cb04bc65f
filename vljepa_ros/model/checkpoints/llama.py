# SPDX-License-Identifier: Apache-2.0
"""The Predictor's layers and the table of query tokens from Llama, as a transformers directory.

What VL-JEPA adds to Llama is in no such directory and stays as it is: the projections of visual
and query tokens, and that of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vljepa_ros.model.checkpoints.names import Names
from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    Part,
    fill,
    model_prefix,
    read_transformers,
)
from vljepa_ros.model.checkpoints.transformers_config import check_config
from vljepa_ros.model.config import ModelConfig, PredictorConfig
from vljepa_ros.model.vljepa import VLJepaModel

INSIDE = {
    "norm1": ("input_layernorm",),
    "norm2": ("post_attention_layernorm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.o_proj",),
    "mlp.up": ("mlp.gate_proj", "mlp.up_proj"),
    "mlp.down": ("mlp.down_proj",),
}


def load_llama(model: VLJepaModel, folder: Path) -> None:
    """Read layers, final norm and token table.

    Raises:
        CheckpointError: the directory holds another model, has too few layers, or its tensors do
            not fit.
    """
    config = model.config.predictor
    layers = check_config(folder, "llama", _expected(model.config)).num_hidden_layers
    used = range(config.first_layer, config.first_layer + config.depth)
    if used.stop > layers:
        raise CheckpointError(
            f"{folder} has {layers} layers, but the Predictor is made of {used.start} to "
            f"{used.stop - 1}, counted from 0"
        )
    tensors = read_transformers(folder)
    prefix = model_prefix(tensors)
    names = Names(f"{prefix}layers", INSIDE, {"norm": f"{prefix}norm"}, config.first_layer)
    plan = {"query_table.weight": [_table(model, f"{prefix}embed_tokens.weight")]}
    plan |= {
        f"predictor.{name}": llama_parts(names, name, tuple(value.shape), config)
        for name, value in model.predictor.state_dict().items()
        if name.startswith(("blocks.", "norm."))
    }
    others = [f"{prefix}layers.{i}." for i in range(layers) if i not in used]
    fill(model, plan, tensors, folder, [*others, "lm_head."])


def llama_parts(
    names: Names, parameter: str, shape: tuple[int, ...], config: PredictorConfig
) -> list[Part]:
    """Return the tensors of Llama's layout that lie in a parameter of a block."""
    theirs = names.of(parameter)
    rows = [shape[0] // len(theirs)] * len(theirs)
    if ".attention.qkv." in parameter:
        rows = [heads * config.head_width for heads in (config.heads, *[config.kv_heads] * 2)]
    return [Part(part, (count, *shape[1:])) for part, count in zip(theirs, rows, strict=True)]


def _table(model: VLJepaModel, name: str) -> Part:
    return Part(name, (model.config.query_vocabulary, model.config.predictor.query_width))


def _expected(config: ModelConfig) -> dict[str, Any]:
    c = config.predictor
    return {
        "hidden_size": c.width,
        "num_attention_heads": c.heads,
        "num_key_value_heads": c.kv_heads,
        "head_dim": c.head_width,
        "intermediate_size": c.mlp,
        "rms_norm_eps": c.norm_eps,
        "vocab_size": config.query_vocabulary,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rope_parameters": _rope(c),
    }


def _rope(config: PredictorConfig) -> Mapping[str, Any]:
    scaling = config.rotary_scaling
    if scaling is None:
        return {"rope_theta": config.rotary_base, "rope_type": "default"}
    return {
        "rope_theta": config.rotary_base,
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low,
        "high_freq_factor": scaling.high,
        "original_max_position_embeddings": scaling.context,
    }
