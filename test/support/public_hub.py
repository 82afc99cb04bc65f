# SPDX-License-Identifier: Apache-2.0
"""open-vljepa and an encoder as they are published, in a size for tests, on a loopback hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
import yaml

from support.loopback_hub import LoopbackHub
from support.public_models import TINY, save_tokenizer, vision_model
from vljepa_ros.model.checkpoints.open_vljepa import save_open_vljepa
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import VLJepaModel

TINY_OPEN: ModelConfig = replace(
    TINY, name="open-vljepa", predictor=replace(TINY.predictor, query_projection=False)
)
QUERIES = {
    "happening": {"text": "w1 w2 w3", "phrases": ["w1 w2", "w3 w4"]},
    "person": {"text": "w4", "phrases": ["w7"]},
}
_ENCODER, _CHECKPOINT = "facebook/vjepa2", "cun-bjy/open-vljepa"


def stock(hub: LoopbackHub, folder: Path) -> None:
    """Put the repositories on the hub; more is in them than is needed."""
    vision_model().save_pretrained(folder / "encoder")
    torch.manual_seed(0)
    save_open_vljepa(VLJepaModel(TINY_OPEN), folder / "best.pt")
    for name, rows in (("query", TINY.query_vocabulary), ("text", TINY.y_encoder.vocabulary)):
        save_tokenizer(folder / f"{name}.json", rows)
        hub.repos[f"copy/{name}"] = {"tokenizer.json": (folder / f"{name}.json").read_bytes()}
    encoder = {file.name: file.read_bytes() for file in (folder / "encoder").iterdir()}
    hub.repos[_ENCODER] = {**encoder, "original/model.pth": b"x" * 9000}
    hub.repos[_CHECKPOINT] = {"best.pt": (folder / "best.pt").read_bytes(), "README.md": b"x"}


def tiny_catalogue(hub: LoopbackHub, folder: Path) -> Path:
    """Write a catalogue of what :func:`stock` put there, and return it."""
    files = {"config.json": {}, "model.safetensors": {}}
    encoder = {"repo": _ENCODER, "revision": hub.commit(_ENCODER), "files": files}
    tokenizer = {"tokens": {"w2": 2}, "files": {"tokenizer.json": {}}}
    (folder / "queries.yaml").write_text(yaml.safe_dump(QUERIES))
    common = {"about": "tiny", "dimensions": "open-vljepa"}
    content = {
        "open-vljepa": {
            **common,
            "memory_gb": 0.001,
            "disk_gb": 0.001,
            "queries": str(folder / "queries.yaml"),
            "licences": {"Gemma": "terms of Gemma"},
            "parts": {
                "x_encoder": encoder,
                "checkpoint": {"repo": _CHECKPOINT, "files": {"best.pt": {}}},
                "query_tokenizer": {"repo": "copy/query", **tokenizer},
                "text_tokenizer": {"repo": "copy/text", **tokenizer},
            },
        },
        "encoder": {**common, "licences": {"V": "MIT"}, "parts": {"x_encoder": encoder}},
    }
    file = folder / "public_models.yaml"
    file.write_text(yaml.safe_dump(content))
    return file
