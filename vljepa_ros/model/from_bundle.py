# SPDX-License-Identifier: Apache-2.0
"""The torch model of a bundle, from the bundle's own graphs: nothing else has to be kept.

An export gives weights of products no names of their own, because it turns them round. But it
keeps the order in which the model multiplies, so the products of a graph are those of the module
that it was written from, one after the other. Norms, biases and tables keep their names. What
comes out is compared with what the bundle says it must compute.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from vljepa_ros.fields import FieldError
from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.config import ConfigError, ModelConfig
from vljepa_ros.model.directory import CONFIG
from vljepa_ros.model.export.graphs import Graph, predictor_graph, x_encoder_graph, y_encoder_graph
from vljepa_ros.model.normalise import normalised
from vljepa_ros.model.presets import PRESETS
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.runtime.text_encoder import load_tokenizer
from vljepa_ros.stream.vectors import unit

SAME = 0.9999
"""The least cosine of what the rebuilt model computes with what the bundle must compute."""

_SOME_TEXTS = 16  # phrases that are compared: a wrong weight shows in each of them
_TUBELETS = "embedding.weight"  # the first product of the X-Encoder, which no layer makes


def model_from_bundle(bundle: Bundle) -> VLJepaModel:
    """Return the model that a bundle was exported from, in evaluation mode.

    A frozen image trunk and the Y-Decoder are no part of it: they stay graphs.

    Raises:
        CheckpointError: the bundle lacks what a model needs, its dimensions are not known, or its
            graphs are not those of such a model.
        BundleError: a file of the bundle is damaged.
    """
    _check_whole(bundle)
    model = VLJepaModel(config_of(bundle))
    for name, graph, module in (
        ("x_encoder", x_encoder_graph(model), "x_encoder"),
        ("predictor", predictor_graph(model), "predictor"),
        ("y_encoder", y_encoder_graph(model), "y_encoder"),
    ):
        _fill(model, module, graph, _read(bundle, name))
    if model.config.queries_from == "table":
        assert bundle.query_tokens is not None and bundle.query_tokens.table is not None
        rows = np.load(bundle.root / bundle.query_tokens.table.rows)
        model.query_table.weight.data.copy_(torch.tensor(rows, dtype=torch.float32))
    model.log_scale.data.fill_(math.log(bundle.logit_scale))
    return model.eval()


def config_of(bundle: Bundle) -> ModelConfig:
    """Return the dimensions of a bundle's model: those that it says, or of the preset it fits.

    Raises:
        CheckpointError: it says none and fits no preset.
        BundleError: the file is damaged.
    """
    if CONFIG in bundle.files:
        try:
            return ModelConfig.from_dict(bundle.read_json(CONFIG))
        except (ConfigError, FieldError) as error:
            raise CheckpointError(f"{bundle.root / CONFIG}: {error}") from error
    if bundle.name not in PRESETS:
        known = ", ".join(PRESETS)
        raise CheckpointError(
            f"{bundle.root} does not say its dimensions ({CONFIG}) and is none of {known}: "
            "export it again from its model directory"
        )
    return PRESETS[bundle.name]


@dataclass(frozen=True)
class Agreement:
    """Least cosines of what a model computes with what its bundle must compute."""

    clip: float
    texts: float


@torch.no_grad()
def agreement(model: VLJepaModel, runtime: VLJepa) -> Agreement:
    """Compare a rebuilt model with its bundle, on the bundle's own clip and some of its phrases.

    Args:
        model: the rebuilt model.
        runtime: the loaded bundle.

    Raises:
        CheckpointError: they do not agree.
    """
    reference = Reference.from_bundle(runtime.bundle)
    clip = torch.from_numpy(np.stack([runtime.encode_frame(each) for each in reference.clip]))
    if runtime.bundle.pixels:
        clip = normalised(clip)
    asked = [runtime.encode_query(text) for text in runtime.bundle.queries.values()]
    queries = Tokens(
        torch.from_numpy(np.stack([one.tokens for one in asked]))[None],
        torch.from_numpy(np.stack([one.mask for one in asked]))[None],
    )
    seen = model.embed(clip[None], queries)[0].numpy()
    phrases = runtime.phrases
    texts = [text for part in phrases.texts.values() for text in part]
    some = range(0, len(texts), max(1, len(texts) // _SOME_TEXTS))
    assert runtime.bundle.tokenizer is not None, "a bundle with a y_encoder has its tokenizer"
    tokens = load_tokenizer(runtime.bundle, runtime.bundle.tokenizer, _longest(model))
    said = np.stack([_embedded(model, tokens.of(texts[n])) for n in some])
    found = Agreement(_least(seen, reference.embeddings), _least(said, phrases.embeddings[some]))
    if not min(found.clip, found.texts) >= SAME:  # also if it is not a number
        raise CheckpointError(
            f"the model that was rebuilt from {runtime.bundle.root} does not compute what the "
            f"bundle does (cosine {found.clip:.4f} for clips, {found.texts:.4f} for texts)"
        )
    return found


def _longest(model: VLJepaModel) -> int:
    return model.config.y_encoder.max_tokens


def _embedded(model: VLJepaModel, tokens: list[int]) -> NDArray[np.float32]:
    ids = torch.tensor([tokens])
    embedding: NDArray[np.float32] = model.embed_text(
        Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
    )[0].numpy()
    return embedding


def _least(found: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    return float((unit(found) * unit(true)).sum(-1).min())


def _check_whole(bundle: Bundle) -> None:
    if bundle.precision != "fp32":
        raise CheckpointError(
            f"{bundle.root} holds {bundle.precision} weights, which cannot be trained: take the "
            "bundle in fp32 that it was made from"
        )
    if "y_encoder" not in bundle.graphs:
        raise CheckpointError(
            f"{bundle.root} has no text encoder, so new texts cannot be learned: export it "
            "without --without-text-encoder"
        )
    if bundle.query_tokens is not None and bundle.query_tokens.table is None:
        raise CheckpointError(
            f"{bundle.root} has no table of query tokens, so nothing new can be asked: export it "
            "with --query-table"
        )


def _read(bundle: Bundle, name: str) -> onnx.ModelProto:
    file = bundle.graphs[name]
    if bundle.holds_weights_of(file):
        return onnx.load(bundle.root / file)
    return onnx.load_from_string(bundle.read(file))


def _fill(model: VLJepaModel, module: str, graph: Graph, stored: onnx.ModelProto) -> None:
    """Give a part of the model the weights of its graph."""
    part: nn.Module = getattr(model, module)
    constants = _constants(stored)
    factors = list(_factors(stored, constants))
    names = list(_products(part, graph))
    if len(names) != len(factors):
        raise _misfit(module, f"{len(factors)} products, expected {len(names)}")
    values = dict(zip(names, factors, strict=True))
    for name in part.state_dict().keys() - values.keys():
        values[name] = _named(constants, name, module)
    try:
        if _TUBELETS in values:
            part.embedding.weight.data.copy_(_tubelets(part.embedding, values.pop(_TUBELETS)))
        with torch.no_grad():
            for name, value in values.items():
                part.get_parameter(name).copy_(torch.tensor(value))
    except RuntimeError as error:
        raise _misfit(module, str(error)) from error


def _misfit(module: str, cause: str) -> CheckpointError:
    return CheckpointError(f"the graph of {module} is not that of the model: {cause}")


def _products(part: nn.Module, graph: Graph) -> Iterator[str]:
    """Return the names of the weights of a part's products, in the order of their first use."""
    order: dict[str, None] = {}
    hooks = []
    for name, layer in part.named_modules():
        if isinstance(layer, nn.Linear):
            key = f"{name}.weight"
            hooks.append(layer.register_forward_hook(lambda *_, key=key: order.setdefault(key)))
    try:
        with torch.no_grad():
            graph.module(*graph.inputs.values())
    finally:
        for hook in hooks:
            hook.remove()
    if hasattr(part, "embedding"):
        yield _TUBELETS
    yield from order


def _constants(stored: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    """Return the constants of a graph by name, with those that are kept as int8 turned back."""
    constants = {one.name: numpy_helper.to_array(one) for one in stored.graph.initializer}
    for name in [name for name in constants if name.endswith("_codes")]:
        base = name.removesuffix("_codes")
        if f"{base}_scale" in constants:
            scale = constants[f"{base}_scale"]
            constants[base] = constants[name].astype(np.float32) * scale
    return constants


def _factors(
    stored: onnx.ModelProto, constants: Mapping[str, NDArray[np.generic]]
) -> Iterator[NDArray[np.float32]]:
    """Yield the constant factors of products (out, in), in the order of their first use."""
    stands_for = _int8_products(stored)
    used: set[str] = set()
    for node in stored.graph.node:
        if node.op_type not in ("MatMul", "Gemm"):
            continue
        name = stands_for.get(node.input[1], node.input[1])
        factor = constants.get(name)
        if factor is None or factor.ndim != 2 or name in used:
            continue
        used.add(name)
        turned = any(each.name == "transB" and each.i for each in node.attribute)
        yield factor if turned else factor.T


def _int8_products(stored: onnx.ModelProto) -> dict[str, str]:
    """Return the names of the constants that products of codes and scales stand for."""
    codes = {
        node.output[0]: node.input[0].removesuffix("_codes")
        for node in stored.graph.node
        if node.op_type == "Cast" and node.input[0].endswith("_codes")
    }
    return {
        node.output[0]: codes[node.input[0]]
        for node in stored.graph.node
        if node.op_type == "Mul" and node.input[0] in codes
    }


def _named(
    constants: Mapping[str, NDArray[np.generic]], name: str, module: str
) -> NDArray[np.generic]:
    """Return the constant of a parameter; the graph names it after the module it lies in."""
    for prefix in ("encoder.", "predictor."):
        if prefix + name in constants:
            return constants[prefix + name]
    raise _misfit(module, f"{name} is missing")


def _tubelets(embedding: nn.Module, factor: NDArray[np.float32]) -> Tensor:
    """Turn the product of weight and motion basis (width, content) back into the weight."""
    width, channels, tubelet, patch, _ = embedding.weight.shape
    folded = torch.tensor(factor).reshape(width, channels, tubelet, patch, patch).double()
    back = torch.linalg.inv(embedding.basis.double())
    return torch.einsum("dcthw,tk->dckhw", folded, back).float()
