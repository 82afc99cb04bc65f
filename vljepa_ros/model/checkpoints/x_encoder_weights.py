# SPDX-License-Identifier: Apache-2.0
"""The X-Encoder of any layout that is known."""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.checkpoints.v_jepa import VJepaWeights
from vljepa_ros.model.checkpoints.v_jepa_official import read_v_jepa_file
from vljepa_ros.model.checkpoints.v_jepa_transformers import read_v_jepa_directory


def read_x_encoder(path: Path, key: str | None = None) -> VJepaWeights:
    """Map the encoder of a transformers directory or of an official ``.pt`` file.

    Args:
        path: the directory or file.
        key: which of a file's encoders; None takes the usual one.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    if not path.is_dir():
        return read_v_jepa_file(path, key)
    if key is not None:
        raise CheckpointError(f"{path} is a directory and holds one encoder, not one called {key}")
    return read_v_jepa_directory(path)
