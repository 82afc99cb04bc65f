# SPDX-License-Identifier: Apache-2.0
"""A model to a bundle: graphs, phrases, tokens of queries, and the manifest last.

The bundle gets its place when it is whole, so an export that fails leaves what was there before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vljepa_ros import __version__
from vljepa_ros.files import new_folder
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import CONFIG
from vljepa_ros.model.export.contents import Choices, Contents, EncodedTexts
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.graphs import (
    frame_encoder_graph,
    predictor_graph,
    x_encoder_graph,
    y_decoder_graph,
    y_encoder_graph,
)
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.export.parity import Parity
from vljepa_ros.model.export.precision import lower_precision
from vljepa_ros.model.frame_encoder import FrameEncoder
from vljepa_ros.model.rotary import time_pairs
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_decoder import YDecoder
from vljepa_ros.runtime.bundle import (
    BUNDLE,
    CARD,
    FROM_TEXT_ENCODER,
    STORED,
    Bundle,
    write_manifest,
)
from vljepa_ros.runtime.stream_memory import STATE

_TOKENIZER = "tokenizer.json"
_WORDS = "words.json"
_PHRASES = {"texts": "phrases.json", "embeddings": "phrases.npy"}
_REFERENCE = "reference.npz"
_QUERIES, _TABLE, _TABLE_TOKENIZER = "query_tokens.npz", "query_table.npy", "query_tokenizer.json"


def export_bundle(
    model: VLJepaModel,
    out: Path,
    contents: Contents,
    clips: NDArray[np.uint8],
    choices: Choices | None = None,
    add_statistics: Callable[[Bundle], Bundle] = lambda bundle: bundle,
) -> Bundle:
    """Write the bundle ``out`` and return it; a README.md that lies there already is kept.

    Args:
        model: is put into evaluation mode.
        out: the folder; only an older bundle may lie there.
        contents: texts, tokenizers and licences.
        clips: real clips uint8 (n, T, H, W, 3) of the model's size, on which the graphs are
            compared with torch.
        choices: what the bundle is to hold, if not the usual.
        add_statistics: is given the bundle before its precision is lowered, in a folder that
            nobody else uses yet, and adds what it knows of itself
            (:mod:`vljepa_ros.runtime.statistics`).

    Raises:
        ExportError: the bundle cannot be made as asked, or a graph differs from torch.
        TextError: a query or phrase is empty.
        OccupiedError: ``out`` is no bundle, or holds more than one.
        OSError: a file cannot be written.
    """
    choices = choices or Choices()
    _check(model.config, contents, clips, choices)
    with new_folder(out, BUNDLE) as part:
        bundle = add_statistics(_write(model.eval(), part, contents, clips, choices))
        if choices.precision is not None:
            bundle = lower_precision(bundle, clips, choices.precision)
        if (out / CARD).exists():  # the model card is written by hand
            shutil.copy(out / CARD, part)
    return replace(bundle, root=out.resolve())


def _check(
    config: ModelConfig, contents: Contents, clips: NDArray[np.uint8], choices: Choices
) -> None:
    from_table = config.queries_from == "table"
    size = (config.clip_frames, config.frame_pixels, config.frame_pixels, 3)
    if not contents.queries or not contents.all_phrases:
        raise ExportError("a bundle needs at least one query and one phrase")
    if choices.query_table and not from_table:
        raise ExportError("the model has no table of query tokens: its text encoder makes them")
    if from_table and contents.query_tokenizer is None:
        raise ExportError("the model has a table of query tokens and needs their tokenizer")
    if choices.int8_weights and not choices.text_encoder:
        raise ExportError("int8 weights are those of the text encoder, which is left out")
    if not len(clips) or clips.shape[1:] != size:
        raise ExportError(f"clips of shape {clips.shape[1:]}, the model takes {size}")


def _write(
    model: VLJepaModel,
    out: Path,
    contents: Contents,
    clips: NDArray[np.uint8],
    choices: Choices,
) -> Bundle:
    trunk = FrameEncoder() if model.config.x_encoder.trunk else None
    graphs = _write_graphs(model, trunk, contents.decoder, out, choices)
    texts = EncodedTexts(model, contents)
    bank = np.concatenate([texts.embedding(text).numpy() for text in contents.all_phrases])
    parity = Parity(out, model, trunk, contents, clips)
    parity.check(bank).save(out / _REFERENCE)
    np.save(out / _PHRASES["embeddings"], bank)
    phrases = {name: list(group) for name, group in contents.phrases.items()}
    _write_json(out / _PHRASES["texts"], phrases)
    _write_json(out / CONFIG, model.config.to_dict())
    queries = _write_queries(model, texts, out, contents, choices)
    fields = {**_about(model), "query_tokens": queries, "graphs": graphs}
    fields |= {"parity": parity.errors, "reference": _REFERENCE}
    if choices.text_encoder:
        shutil.copyfile(contents.text_tokenizer, out / _TOKENIZER)
        fields["tokenizer"] = _TOKENIZER
    if contents.decoder is not None:
        _write_json(out / _WORDS, {"words": contents.decoder.config.words})
        fields["words"] = _WORDS
    fields["queries"], fields["licences"] = dict(contents.queries), dict(contents.licences)
    fields["int8_weights"] = ["y_encoder"] if choices.int8_weights else []
    return write_manifest(out, fields)


def _write_graphs(
    model: VLJepaModel,
    trunk: FrameEncoder | None,
    decoder: YDecoder | None,
    out: Path,
    choices: Choices,
) -> dict[str, str]:
    graphs = {"x_encoder": x_encoder_graph(model), "predictor": predictor_graph(model)}
    if trunk is not None:
        graphs["frame_encoder"] = frame_encoder_graph(trunk, model.config)
    if choices.text_encoder:
        graphs["y_encoder"] = y_encoder_graph(model)
    if decoder is not None:
        graphs["y_decoder"] = y_decoder_graph(decoder)
    files = {name: f"{name}.onnx" for name in sorted(graphs)}
    for name, file in files.items():
        int8 = choices.int8_weights and name == "y_encoder"
        write_graph(graphs[name], out / file, int8=int8)
    return files


def _write_json(path: Path, values: Any) -> None:
    content = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    path.write_text(content, encoding="utf-8")


def _write_queries(
    model: VLJepaModel, texts: EncodedTexts, out: Path, contents: Contents, choices: Choices
) -> dict[str, str]:
    """Write the tokens of the queries, unless the text encoder makes them on the robot."""
    if model.config.queries_from == "text_encoder" and choices.text_encoder:
        return {"source": FROM_TEXT_ENCODER}
    tokens = {name: texts.query(text).numpy() for name, text in contents.queries.items()}
    np.savez(out / _QUERIES, **tokens)
    section = {"source": STORED, "file": _QUERIES}
    if choices.query_table:
        assert contents.query_tokenizer is not None, "it was checked"
        np.save(out / _TABLE, model.query_table.weight.detach().half().numpy())
        shutil.copyfile(contents.query_tokenizer, out / _TABLE_TOKENIZER)
        section |= {"table": _TABLE, "tokenizer": _TABLE_TOKENIZER}
    return section


def _about(model: VLJepaModel) -> dict[str, Any]:
    config = model.config
    return {
        **memory_section(model),
        "name": config.name,
        "version": __version__,
        "space_id": space_id(model),
        "dimension": config.embedding,
        "logit_scale": round(model.scale.item(), 4),
        "frame": {"height": config.frame_pixels, "width": config.frame_pixels},
        "clip": {"frames": config.clip_frames, "rate_hz": config.clip_rate_hz},
        "stream_rate_hz": config.stream_rate_hz,
        "max_query_tokens": config.predictor.max_query_tokens,
        "max_text_tokens": config.y_encoder.max_tokens,
        "phrases": _PHRASES,
        "precision": "fp32",
    }


def memory_section(model: VLJepaModel) -> dict[str, Any]:
    """Return what a manifest says of the memory of a model; nothing if it has none."""
    x = model.config.x_encoder
    if not x.memory:
        return {}
    state = {STATE: list(model.x_encoder.no_past().shape[1:])}
    return {"memory": {"window": x.window, "pairs": time_pairs(x), "state": state}}


def space_id(model: VLJepaModel) -> str:
    """Return what tells one embedding space from another: it holds a digest of all weights."""
    state: Mapping[str, torch.Tensor] = model.state_dict()
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].contiguous().numpy().tobytes())
    return f"{model.config.name}-{model.config.embedding}-{digest.hexdigest()[:12]}"
