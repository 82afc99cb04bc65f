# SPDX-License-Identifier: Apache-2.0
"""The config.json of a transformers directory, compared with what our code computes.

Tensors that fit do not make the same model: with another rotary base or another activation all
shapes are right and all results wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from vljepa_ros.model.checkpoints.tensors import CheckpointError, read_json

CONFIG = "config.json"


def check_config(folder: Path, kind: str, ours: Mapping[str, Any]) -> PreTrainedConfig:
    """Read config.json and compare its fields with ``ours``.

    transformers reads it, which knows how older releases wrote things. Code that comes with a
    checkpoint is never run.

    Raises:
        CheckpointError: there is none, it is of another model than ``kind``, it wants code run, or
            fields differ; all of these are listed.
    """
    theirs = _read(folder, kind)
    wrong = [
        f"{name} is {getattr(theirs, name, None)!r}, not {value!r}"
        for name, value in ours.items()
        if getattr(theirs, name, None) != value
    ]
    if wrong:
        raise CheckpointError(f"{folder}/config.json does not fit:\n  " + "\n  ".join(wrong))
    return theirs


def _read(folder: Path, kind: str) -> PreTrainedConfig:
    file = folder / CONFIG
    found = read_json(file)
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} is no configuration of a model")
    if "auto_map" in found:
        raise CheckpointError(
            f"{file} has auto_map: it wants code run that came with the checkpoint, which is "
            f"never done. Weights of a plain {kind} need none: remove auto_map, or take the "
            "publisher's own checkpoint"
        )
    if found.get("model_type") != kind:
        raise CheckpointError(
            f"{folder} holds a model of type {found.get('model_type')}, not {kind}"
        )
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers' checks of values raise errors of many types
        raise CheckpointError(f"{folder}: no usable config.json: {error}") from error
