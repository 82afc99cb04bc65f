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

from vljepa_ros.model.checkpoints.tensors import CheckpointError


def check_config(folder: Path, kind: str, ours: Mapping[str, Any]) -> PreTrainedConfig:
    """Read config.json and compare its fields with ``ours``.

    transformers reads it, which knows how older releases wrote things.

    Raises:
        CheckpointError: there is none, it is of another model than ``kind``, or fields differ; all
            of these are listed.
    """
    theirs = _read(folder)
    if theirs.model_type != kind:
        raise CheckpointError(f"{folder} holds a model of type {theirs.model_type}, not {kind}")
    wrong = [
        f"{name} is {getattr(theirs, name)!r}, not {value!r}"
        for name, value in ours.items()
        if getattr(theirs, name) != value
    ]
    if wrong:
        raise CheckpointError(f"{folder}/config.json does not fit:\n  " + "\n  ".join(wrong))
    return theirs


def _read(folder: Path) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder}: no usable config.json: {error}") from error
