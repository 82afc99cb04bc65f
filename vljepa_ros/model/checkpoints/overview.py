# SPDX-License-Identifier: Apache-2.0
"""What a file or directory is: its layout, dimensions, tensors and terms, weights unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from torch import Tensor

from vljepa_ros.model.checkpoints import licences
from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    named_tensors,
    read_json,
    read_torch,
    transformers_files,
)
from vljepa_ros.model.checkpoints.v_jepa_official import KEYS, read_v_jepa_file
from vljepa_ros.model.directory import (
    CONFIG,
    WEIGHTS,
    ModelDirectory,
    open_directory,
    tensor_shapes,
)
from vljepa_ros.model.presets import PAPER
from vljepa_ros.model.y_decoder_files import DECODER_WEIGHTS

_TYPES = {
    "vjepa2": ("V-JEPA 2, transformers directory", licences.V_JEPA),
    "llama": ("Llama, transformers directory", licences.LLAMA),
    "gemma3_text": ("EmbeddingGemma, transformers directory", licences.GEMMA),
    "bert": ("BERT, transformers directory", "see its model card"),
}


@dataclass(frozen=True)
class Group:
    """Tensors whose names begin alike."""

    name: str
    tensors: int
    parameters: int
    types: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """What is known of a checkpoint without its weights."""

    kind: str
    dimensions: Mapping[str, Any]
    groups: tuple[Group, ...]
    licences: Mapping[str, str]


Shapes = Mapping[str, tuple[str, tuple[int, ...]]]


def overview(path: Path) -> Overview:
    """Look at a model directory, a transformers directory or a ``.pt`` file.

    Raises:
        CheckpointError: it is none of these, or damaged.
    """
    if not path.is_dir():
        return _of_file(path)
    config = read_json(path / CONFIG)
    if isinstance(config, dict) and "model_type" in config:
        return _of_transformers(path, config)
    return _of_directory(open_directory(path))


def _of_directory(directory: ModelDirectory) -> Overview:
    dimensions = _flat(directory.config.to_dict())
    groups = _groups(tensor_shapes(directory.root / WEIGHTS))
    if directory.decoder is not None:
        found = directory.decoder
        dimensions |= {"y_decoder.width": found.width, "y_decoder.words": len(found.words)}
        shapes = tensor_shapes(directory.root / DECODER_WEIGHTS)
        groups += (_group("y_decoder", list(shapes.values())),)
    kind = f"model directory, {directory.config.name}"
    return Overview(kind, dimensions, groups, directory.licences)


def _of_transformers(path: Path, config: Mapping[str, Any]) -> Overview:
    kind, licence = _TYPES.get(str(config["model_type"]), ("transformers directory", "not known"))
    shapes = {k: v for file in transformers_files(path) for k, v in tensor_shapes(file).items()}
    plain = {k: v for k, v in config.items() if isinstance(v, int | float) and k[:1] != "_"}
    return Overview(kind, plain, _groups(shapes), {"all": licence})


def _of_file(path: Path) -> Overview:
    content = read_torch(path)
    if "model_state_dict" in content:
        shapes = _shapes(named_tensors(content["model_state_dict"], path))
        terms = f"{licences.OPEN_VLJEPA}; made from {licences.LLAMA} and {licences.GEMMA}"
        return Overview("open-vljepa (.pt)", {}, _groups(shapes), {"all": terms})
    if any(key in content for key in KEYS):
        weights = read_v_jepa_file(path)
        dimensions = asdict(weights.config(PAPER.frame_pixels))
        del dimensions["grid"]  # a file does not fix the size of its frames
        shapes = {
            f"{key}.{name}": value
            for key, part in content.items()
            if isinstance(part, Mapping)
            for name, value in _shapes(part).items()
        }
        return Overview(weights.layout, dimensions, _groups(shapes), {"all": licences.V_JEPA})
    raise CheckpointError(
        f"{path} is no layout that is known; its keys: {', '.join(map(str, list(content)[:8]))}"
    )


def _shapes(tensors: Mapping[Any, Any]) -> Shapes:
    return {
        str(name): (str(value.dtype).removeprefix("torch."), tuple(value.shape))
        for name, value in tensors.items()
        if isinstance(value, Tensor)
    }


def _groups(shapes: Shapes) -> tuple[Group, ...]:
    groups: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, tensor in shapes.items():
        groups.setdefault(name.partition(".")[0], []).append(tensor)
    return tuple(_group(name, members) for name, members in groups.items())


def _group(name: str, members: list[tuple[str, tuple[int, ...]]]) -> Group:
    count = sum(prod(shape) for _, shape in members)
    return Group(name, len(members), count, tuple(sorted({kind for kind, _ in members})))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else None
        flat |= inner if inner is not None else {prefix + name: value}
    return flat
