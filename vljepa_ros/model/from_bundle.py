# SPDX-License-Identifier: Apache-2.0
"""The torch model of a bundle, from the bundle's own graphs: nothing else has to be kept.

What comes out is compared with what the bundle says it must compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from vljepa_ros.fields import FieldError
from vljepa_ros.model.checkpoints.tensors import CheckpointError
from vljepa_ros.model.config import ConfigError, ModelConfig
from vljepa_ros.model.directory import CONFIG
from vljepa_ros.model.export.graphs import Graph, predictor_graph, x_encoder_graph, y_encoder_graph
from vljepa_ros.model.export.int8_to_floats import in_floats
from vljepa_ros.model.graph_weights import GraphWeights
from vljepa_ros.model.normalise import normalised
from vljepa_ros.model.presets import PRESETS
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.reference import LIMITS, Reference
from vljepa_ros.runtime.text_encoder import load_tokenizer
from vljepa_ros.stream.vectors import unit

SAME = 0.9999
"""The least cosine of what the rebuilt model computes with what the bundle must compute."""

PARTS: Mapping[str, Callable[[VLJepaModel], Graph]] = {
    "x_encoder": x_encoder_graph,
    "predictor": predictor_graph,
    "y_encoder": y_encoder_graph,
}
"""The parts of a model that a bundle holds as graphs with weights that can be trained."""

_SOME_TEXTS = 16  # phrases that are compared: a wrong weight shows in each of them


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
    for part in PARTS:
        weights = graph_weights(model, bundle, part).read()
        getattr(model, part).load_state_dict(weights, strict=False)
    if model.config.queries_from == "table":
        assert bundle.query_tokens is not None and bundle.query_tokens.table is not None
        rows = np.load(bundle.root / bundle.query_tokens.table.rows)
        model.query_table.weight.data.copy_(torch.tensor(rows, dtype=torch.float32))
    model.log_scale.data.fill_(math.log(bundle.logit_scale))
    return model.eval()


def graph_weights(model: VLJepaModel, bundle: Bundle, part: str) -> GraphWeights:
    """Return the weights in a bundle's graph of a part of a model with the same layers.

    Raises:
        CheckpointError: the graph is not that of such a part.
        BundleError: a file of the bundle is damaged.
    """
    try:
        return GraphWeights(getattr(model, part), PARTS[part](model), stored_graph(bundle, part))
    except CheckpointError as error:
        raise CheckpointError(f"{bundle.root / bundle.graphs[part]}: {error}") from error


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
class RebuiltAgreement:
    """Least cosines of what a model computes with what its bundle must compute."""

    clip: float
    texts: float


@torch.no_grad()
def agreement(model: VLJepaModel, runtime: VLJepa) -> RebuiltAgreement:
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
    found = RebuiltAgreement(
        _least(seen, reference.embeddings), _least(said, phrases.embeddings[some])
    )
    least = SAME if runtime.bundle.precision == "fp32" else LIMITS["int8"].cosine
    if not (found.clip >= least and found.texts >= SAME):  # also if one is not a number
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
    if bundle.precision not in ("fp32", "int8"):
        raise CheckpointError(
            f"{bundle.root} holds {bundle.precision} weights, which cannot be trained: take the "
            "bundle in fp32 or int8 that it was made from"
        )
    if "y_encoder" not in bundle.graphs:
        raise CheckpointError(
            f"{bundle.root} has no text encoder, so new texts cannot be learned: export it "
            "without --without-text-encoder"
        )
    if config_of(bundle).y_encoder.tower != "bert":
        raise CheckpointError(
            f"the text encoder of {bundle.root} is not rebuilt from its graph, which joins norms "
            "with products: train from the model directory that it was exported from"
        )
    if bundle.query_tokens is not None and bundle.query_tokens.table is None:
        raise CheckpointError(
            f"{bundle.root} has no table of query tokens, so nothing new can be asked: export it "
            "with --query-table"
        )


def stored_graph(bundle: Bundle, name: str) -> onnx.ModelProto:
    """Read a graph of a bundle, with its weights in float32."""
    file = bundle.graphs[name]
    if bundle.holds_weights_of(file):
        stored = onnx.load(bundle.root / file)
    else:
        stored = onnx.load_from_string(bundle.read(file))
    return in_floats(stored) if bundle.precision == "int8" else stored
