# SPDX-License-Identifier: Apache-2.0
"""``best.pt`` of open-vljepa, a public training of the paper's architecture (hub: cun-bjy).

It holds Predictor, token table and Y-Encoder. Its X-Encoder is V-JEPA 2 ViT-L as it is published,
and not in the file. Query tokens are not projected there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from vljepa_ros.model.checkpoints.llama import INSIDE, llama_parts
from vljepa_ros.model.checkpoints.names import Names
from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    Part,
    Plan,
    fill,
    named_tensors,
    read_torch,
    split_parts,
)
from vljepa_ros.model.presets import PAPER
from vljepa_ros.model.vljepa import VLJepaModel

CONFIG = replace(
    PAPER,
    name="open-vljepa",
    predictor=replace(PAPER.predictor, query_projection=False, max_query_tokens=64),
    y_encoder=replace(PAPER.y_encoder, max_tokens=64),
)

_STATE = "model_state_dict"
_NAMES = Names(
    block="predictor.layers",
    inside=INSIDE,
    around={
        "norm": "predictor.norm",
        "visual_in": "predictor.vis_proj",
        "out": "predictor.out_proj",
    },
)


def load_open_vljepa(model: VLJepaModel, path: Path) -> None:
    """Read Predictor, token table and Y-Encoder.

    Raises:
        CheckpointError: the file is damaged or another one, or its tensors do not fit.
    """
    content = read_torch(path)
    if not isinstance(content.get(_STATE), dict):
        raise CheckpointError(f"{path} has no {_STATE!r}: it is no checkpoint of open-vljepa")
    fill(model, _plan(model), named_tensors(content[_STATE], path), path)


def save_open_vljepa(model: VLJepaModel, path: Path) -> None:
    """Write a model in the layout that open-vljepa's own code reads; the X-Encoder is left out.

    Raises:
        CheckpointError: the layout has no place for a part of the model.
    """
    state = split_parts(_plan(model), model.state_dict())
    torch.save({"epoch": 0, _STATE: state, "loss": 0.0, "config": {}}, path)


def _plan(model: VLJepaModel) -> Plan:
    config = model.config
    if config.predictor.query_projection or config.queries_from != "table":
        raise CheckpointError("open-vljepa has a table of query tokens and does not project them")
    plan: dict[str, list[Part]] = {}
    for name, value in model.state_dict().items():
        (part, _, inner), shape = name.partition("."), tuple(value.shape)
        if part == "predictor":
            plan[name] = llama_parts(_NAMES, inner, shape, config.predictor)
        elif part == "query_table":
            plan[name] = [Part("predictor.embed_tokens.weight", shape)]
        elif part == "y_encoder":
            plan[name] = [Part(_y_encoder_name(name), shape)]
    return plan


def _y_encoder_name(name: str) -> str:
    return name.replace(".tower.", ".model.", 1).replace(".head.", ".projector.", 1)
