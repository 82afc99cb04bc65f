# SPDX-License-Identifier: Apache-2.0
"""V-JEPA 2 and 2.1 as Meta's own ``.pt`` files.

A file holds the encoder twice, trained and averaged. The default is the one that serves Meta's
own loader at the time: ``encoder`` for V-JEPA 2, from which the transformers weights were made as
well, and the averaged one for V-JEPA 2.1 (``ema_encoder`` in the distilled models,
``target_encoder`` in the others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from vljepa_ros.model.checkpoints.names import Names
from vljepa_ros.model.checkpoints.tensors import CheckpointError, named_tensors, read_torch
from vljepa_ros.model.checkpoints.v_jepa import VJepaWeights

KEYS = ("encoder", "target_encoder", "ema_encoder")
_WRAPPERS = ("module.", "backbone.")

_V_JEPA_2 = Names(
    block="blocks",
    inside={
        "norm1": ("norm1",),
        "norm2": ("norm2",),
        "attention.qkv": ("attn.qkv",),
        "attention.out": ("attn.proj",),
        "mlp.up": ("mlp.fc1",),
        "mlp.down": ("mlp.fc2",),
    },
    around={"embedding": "patch_embed.proj", "norm": "norm"},
)
_V_JEPA_2_1 = replace(
    _V_JEPA_2,
    around={
        "embedding": "patch_embed.proj",
        "image_embedding": "patch_embed_img.proj",
        "image_offset": "img_mod_embed",
        "video_offset": "video_mod_embed",
        "norm": "norms_block.3",
    },
)
_EARLIER_NORMS = ("norms_block.0.", "norms_block.1.", "norms_block.2.")


def read_v_jepa_file(path: Path, key: str | None = None) -> VJepaWeights:
    """Map an encoder of an official file.

    Args:
        path: the ``.pt`` file.
        key: which of the encoders, one of :data:`KEYS`; None takes the usual one.

    Raises:
        CheckpointError: the file is damaged, needs pickle, or has no such encoder.
    """
    content = read_torch(path)
    key = _usual_key(content) if key is None else key
    if not isinstance(content.get(key), Mapping):
        found = ", ".join(name for name in KEYS if name in content) or "none at all"
        raise CheckpointError(f"{path} has no encoder {key!r}, but {found}")
    tensors = _unwrapped(named_tensors(content[key], path))
    if _is_newer(tensors):
        return VJepaWeights(path, "V-JEPA 2.1 (.pt)", _V_JEPA_2_1, tensors, _EARLIER_NORMS)
    return VJepaWeights(path, "V-JEPA 2 (.pt)", _V_JEPA_2, tensors, ("pos_embed",))


def _usual_key(content: Mapping[str, Any]) -> str:
    if "ema_encoder" in content:
        return "ema_encoder"
    target = content.get("target_encoder")
    newer = isinstance(target, Mapping) and _is_newer(target)
    return "target_encoder" if newer else "encoder"


def _is_newer(tensors: Mapping[Any, Any]) -> bool:
    return any("norms_block." in str(name) for name in tensors)


def _unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take away what wrappers of the training put before the names."""
    for wrapper in _WRAPPERS:
        tensors = {name.replace(wrapper, ""): value for name, value in tensors.items()}
    return dict(tensors)
