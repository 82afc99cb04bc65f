# SPDX-License-Identifier: Apache-2.0
"""MiniLM with the last layers that ``adapt_text`` adapted, rounded as a bundle stores it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from vljepa_ros.model.checkpoints.minilm import load_minilm
from vljepa_ros.model.int8 import round_to_int8
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_encoder import YEncoder
from vljepa_ros.training.optimiser import set_weights

FILE = "adapted_text.pt"
LAYERS = 2  # the last ones; the others and the table of words stay


def load_adapted_minilm(model: VLJepaModel, out: Path | None) -> Path:
    """Read MiniLM into a model, and what ``adapt_text`` left in ``out``, if it was run.

    The weights are rounded, so that a bundle can store them in a quarter of the size.

    Returns:
        The path of the tokenizer.

    Raises:
        ValueError: the adaptation in ``out`` was stopped before its end.
    """
    tokenizer = load_minilm(model)
    if out is not None and (out / FILE).exists():
        state = torch.load(out / FILE, map_location="cpu", weights_only=True)
        if state["step"] < state["stage"]["steps"]:
            raise ValueError(f"{out / FILE} was stopped early; run adapt_text again to finish it")
        set_weights(last_layers(model.y_encoder), state["weights"])
    round_to_int8(model.y_encoder.tower)
    return tokenizer


def last_layers(y_encoder: YEncoder) -> dict[str, nn.Parameter]:
    """Return the weights that are adapted, by name."""
    return dict(y_encoder.tower.encoder.layer[-LAYERS:].named_parameters())
