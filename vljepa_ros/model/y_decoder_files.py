# SPDX-License-Identifier: Apache-2.0
"""The Y-Decoder in a model directory: two files beside the model, or none.

It belongs to the embedding space of the model that it lies with. Whoever trains that model further
has another space, so the decoder does not go along and is trained anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    fill,
    read_json,
    read_safetensors,
    same_names,
)
from vljepa_ros.model.y_decoder import YDecoder, YDecoderConfig
from vljepa_ros.runtime.manifest import ManifestError

DECODER_CONFIG = "y_decoder.json"
DECODER_WEIGHTS = "y_decoder.safetensors"

_REMEDY = "train the decoder again (vljepa train-decoder), or remove both of its files"


def save_decoder(folder: Path, decoder: YDecoder) -> None:
    """Write a decoder into a model directory, in the place of one that is there.

    Raises:
        OSError: a file cannot be written.
    """
    weights, config = folder / DECODER_WEIGHTS, folder / DECODER_CONFIG
    parts = {path: path.with_name(path.name + ".part") for path in (weights, config)}
    try:
        save_file(decoder.state_dict(), parts[weights])
        content = json.dumps(decoder.config.to_dict(), indent=1, ensure_ascii=False) + "\n"
        parts[config].write_text(content, encoding="utf-8")
        shutil.copymode(parts[config], parts[weights])  # safetensors writes for its user alone
        config.unlink(missing_ok=True)  # until both are in place, one alone is refused
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def decoder_config(folder: Path, embedding: int) -> YDecoderConfig | None:
    """Return the configuration of a directory's decoder, None where there is none.

    :param embedding: dimension of the model's embedding space.

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
    except ManifestError as error:
        raise CheckpointError(f"{config}: {error.cause}; {_REMEDY}") from error
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
    with torch.device("meta"):
        decoder = YDecoder(config).eval()
    path = folder / DECODER_WEIGHTS
    fill(decoder, same_names(decoder), read_safetensors(path), path)
    return decoder
