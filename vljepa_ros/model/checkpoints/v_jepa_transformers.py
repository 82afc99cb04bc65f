# SPDX-License-Identifier: Apache-2.0
"""V-JEPA 2 as a transformers directory, such as ``facebook/vjepa2-vitl-fpc64-256``.

transformers has no V-JEPA 2.1. The predictor of the self-supervised training is not needed.
"""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.model.checkpoints.names import Names
from vljepa_ros.model.checkpoints.tensors import read_transformers
from vljepa_ros.model.checkpoints.transformers_config import check_config
from vljepa_ros.model.checkpoints.v_jepa import VJepaWeights

_NAMES = Names(
    block="encoder.layer",
    inside={
        "norm1": ("norm1",),
        "norm2": ("norm2",),
        "attention.qkv": ("attention.query", "attention.key", "attention.value"),
        "attention.out": ("attention.proj",),
        "mlp.up": ("mlp.fc1",),
        "mlp.down": ("mlp.fc2",),
    },
    around={"embedding": "encoder.embeddings.patch_embeddings.proj", "norm": "encoder.layernorm"},
)
_FIXED = {"hidden_act": "gelu", "qkv_bias": True, "layer_norm_eps": 1e-6}


def read_v_jepa_directory(folder: Path) -> VJepaWeights:
    """Map the encoder of a transformers directory.

    Raises:
        CheckpointError: the directory holds another model, or is damaged.
    """
    config = check_config(folder, "vjepa2", _FIXED)
    return VJepaWeights(
        source=folder,
        layout="V-JEPA 2 of transformers",
        names=_NAMES,
        tensors=read_transformers(folder),
        ignored=("predictor.",),
        heads=config.num_attention_heads,
    )
