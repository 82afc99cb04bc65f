# SPDX-License-Identifier: Apache-2.0
"""A model that was trained further as a bundle, out of the one that it was rebuilt from.

Graphs whose layers are the same get other numbers, which takes a second. Those with other layers
are exported anew. The frozen trunk is copied. Every graph is compared with torch. If the base is
in int8, so is what comes of it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vljepa_ros import __version__
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import CONFIG
from vljepa_ros.model.export.contents import Contents, EncodedTexts
from vljepa_ros.model.export.export_bundle import memory_section, space_id
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.onnx_file import write_graph
from vljepa_ros.model.export.parity import Parity
from vljepa_ros.model.export.precision import LowPrecision, lower_precision
from vljepa_ros.model.export.stored_trunk import StoredTrunk
from vljepa_ros.model.from_bundle import PARTS, config_of, graph_weights
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.bundle import EXTERNAL, MANIFEST, Bundle, write_manifest

_log = logging.getLogger(__name__)

_OF_THE_BASE = ("y_decoder", "words", "known_clips", "calibration", "lowered", "cpu_graphs")
"""What is true of the base alone: its decoder reads another space."""


def write_further(
    model: VLJepaModel,
    base: Bundle,
    out: Path,
    *,
    queries: Mapping[str, str],
    phrases: Mapping[str, tuple[str, ...]],
    licences: Mapping[str, str],
    clips: NDArray[np.uint8],
) -> Bundle:
    """Write the bundle of a model that was trained further into an empty folder.

    Args:
        model: the model, in evaluation mode; its configuration says the bundle's name.
        base: the bundle that it was rebuilt from.
        out: an empty folder.
        queries: question by name.
        phrases: the known answers, by the same names.
        licences: licence by part.
        clips: real clips uint8 (n, T, H, W, 3), on which the graphs are compared with torch.

    Raises:
        CheckpointError: the model does not fit the base's graphs.
        ExportError: there is no clip, or a graph differs from torch.
        OSError: a file cannot be written.
    """
    if not len(clips):
        raise ExportError("no recording is as long as one clip")
    fields = json.loads((base.root / MANIFEST).read_text(encoding="utf-8"))
    _write_graphs(model, base, out)
    contents = _contents(base, queries, phrases, licences)
    texts = EncodedTexts(model, contents)
    bank = np.concatenate([texts.embedding(text).numpy() for text in contents.all_phrases])
    trunk = None if base.pixels else StoredTrunk(base.root / base.graphs["frame_encoder"])
    parity = Parity(out, model, trunk, contents, clips)
    parity.check(bank).save(out / base.reference)
    np.save(out / base.phrases.embeddings, bank)
    _write_json(out / base.phrases.texts, {name: list(each) for name, each in phrases.items()})
    _write_json(out / CONFIG, model.config.to_dict())
    if base.query_tokens is not None:
        known = {name: texts.query(text).numpy() for name, text in queries.items()}
        np.savez(out / base.query_tokens.known, **known)
    bundle = write_manifest(out, {**_kept(fields), **_about(model, contents, parity)})
    return _lowered(bundle, clips) if base.precision == "int8" else bundle


def _write_graphs(model: VLJepaModel, base: Bundle, out: Path) -> None:
    for name in PARTS:
        file = base.graphs[name]
        if _same_layers(name, model.config, config_of(base)):
            weights = graph_weights(model, base, name)
            weights.write(getattr(model, name).state_dict())
            _save(weights.stored, out / file, beside=base.holds_weights_of(file))
        else:
            write_graph(PARTS[name](model), out / file)
    copied = [base.tokenizer]
    if not base.pixels:
        copied.append(base.graphs["frame_encoder"])
    if base.query_tokens is not None and base.query_tokens.table is not None:
        copied += [base.query_tokens.table.tokenizer, base.query_tokens.table.rows]
    for name in filter(None, copied):
        shutil.copyfile(base.root / name, out / name)


def _same_layers(part: str, ours: ModelConfig, theirs: ModelConfig) -> bool:
    """Whether a part has the same layers in two models; the Predictor reads the X-Encoder's."""
    if part == "y_encoder":
        return ours.y_encoder == theirs.y_encoder
    return replace(ours, name="", clip_rate_hz=1) == replace(theirs, name="", clip_rate_hz=1)


def _save(stored: onnx.ModelProto, file: Path, *, beside: bool) -> None:
    location = file.name + EXTERNAL if beside else None
    onnx.save(stored, file, save_as_external_data=beside, location=location)


def _contents(
    base: Bundle,
    queries: Mapping[str, str],
    phrases: Mapping[str, tuple[str, ...]],
    licences: Mapping[str, str],
) -> Contents:
    assert base.tokenizer is not None, "a model that was rebuilt has a text encoder"
    table = base.query_tokens.table if base.query_tokens is not None else None
    tokenizer = None if table is None else base.root / table.tokenizer
    return Contents(queries, phrases, base.root / base.tokenizer, tokenizer, licences)


def _kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in fields.items()
        if name not in ("format", "files", *_OF_THE_BASE)
    }
    graphs = {name: file for name, file in fields["graphs"].items() if name not in _OF_THE_BASE}
    return {**kept, "graphs": graphs}


def _about(model: VLJepaModel, contents: Contents, parity: Parity) -> dict[str, Any]:
    config = model.config
    return {
        **memory_section(model),
        "name": config.name,
        "version": __version__,
        "space_id": space_id(model),
        "clip": {"frames": config.clip_frames, "rate_hz": config.clip_rate_hz},
        "stream_rate_hz": config.stream_rate_hz,
        "logit_scale": round(model.scale.item(), 4),
        "queries": dict(contents.queries),
        "licences": dict(contents.licences),
        "parity": parity.errors,
        "precision": "fp32",
    }


def _lowered(bundle: Bundle, clips: NDArray[np.uint8]) -> Bundle:
    """Lower a bundle to int8, unless that loses too much."""
    with TemporaryDirectory(dir=bundle.root.parent) as work:
        copy = Bundle.announced(shutil.copytree(bundle.root, Path(work) / "bundle"))
        try:
            lower_precision(copy, clips, LowPrecision("int8"))
        except ExportError as error:
            _log.warning("the bundle stays in float32: %s", error)
            return bundle
        shutil.copytree(copy.root, bundle.root, dirs_exist_ok=True)
    return Bundle.load(bundle.root)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
