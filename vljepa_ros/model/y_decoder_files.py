# SPDX-License-Identifier: Apache-2.0
"""The Y-Decoder in a model directory: two files beside the model, or none.

It belongs to the embedding space of the model that it lies with. Whoever trains that model further
has another space, so the decoder does not go along and is trained anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import save

from vljepa_ros.fields import FieldError
from vljepa_ros.files import new_file
from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    fill,
    read_json,
    read_safetensors,
    same_names,
)
from vljepa_ros.model.y_decoder import YDecoder, YDecoderConfig

DECODER_CONFIG = "y_decoder.json"
DECODER_WEIGHTS = "y_decoder.safetensors"

_REMEDY = "train the decoder again (vljepa train-decoder), or remove both of its files"


def save_decoder(folder: Path, decoder: YDecoder) -> None:
    """Write a decoder into a model directory, in the place of one that is there.

    Raises:
        OSError: a file cannot be written.
    """
    weights, config = folder / DECODER_WEIGHTS, folder / DECODER_CONFIG
    described = json.dumps(decoder.config.to_dict(), indent=1, ensure_ascii=False) + "\n"
    with new_file(config) as new_config, new_file(weights) as new_weights:
        new_config.write(described.encode())
        new_weights.write(save(decoder.state_dict()))
        for stream in (new_config, new_weights):  # a full disk shows while the old one is whole
            stream.flush()
            os.fsync(stream.fileno())
        config.unlink(missing_ok=True)  # until both are in place, one alone is refused


def decoder_config(folder: Path, embedding: int) -> YDecoderConfig | None:
    """Return the configuration of a directory's decoder, or None if there is none.

    Args:
        folder: the model directory.
        embedding: dimension of the model's embedding space.

    Raises:
        CheckpointError: one of the two files is missing, or the configuration is not valid or of
            another embedding space.
    """
    config, weights = folder / DECODER_CONFIG, folder / DECODER_WEIGHTS
    present = [path for path in (config, weights) if path.is_file()]
    if not present:
        return None
    if len(present) < 2:
        raise CheckpointError(
            f"{present[0]} lies alone, the decoder's other file is missing: {_REMEDY}"
        )
    try:
        found = YDecoderConfig.from_dict(read_json(config))
    except FieldError as error:
        raise CheckpointError(f"{config}: {error}; {_REMEDY}") from error
    if found.embedding != embedding:
        raise CheckpointError(
            f"{config} is for embeddings of {found.embedding}, the model's have {embedding}: "
            f"{_REMEDY}"
        )
    return found


def load_decoder(folder: Path, config: YDecoderConfig) -> YDecoder:
    """Read the decoder of a directory, in evaluation mode; ``config`` is what lies there.

    Raises:
        CheckpointError: the weights are damaged, or do not fit the configuration.
    """
    path = folder / DECODER_WEIGHTS
    try:
        with torch.device("meta"):
            decoder = YDecoder(config).eval()
    except (RuntimeError, TypeError, OverflowError) as error:  # sizes beyond all tensors
        raise CheckpointError(f"{folder / DECODER_CONFIG}: {error}; {_REMEDY}") from error
    fill(decoder, same_names(decoder), read_safetensors(path), path)
    return decoder
