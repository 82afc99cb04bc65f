# SPDX-License-Identifier: Apache-2.0
"""A model that was trained further, in the graphs of the bundle that it was rebuilt from.

The graphs stay as they are but for their numbers, and the frozen trunk is copied. So nothing is
exported anew, which takes seconds and not minutes, and every graph is still compared with torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vljepa_ros import __version__
from vljepa_ros.model.directory import CONFIG
from vljepa_ros.model.export.contents import Contents, EncodedTexts
from vljepa_ros.model.export.export_bundle import space_id
from vljepa_ros.model.export.export_error import ExportError
from vljepa_ros.model.export.parity import Parity
from vljepa_ros.model.export.stored_trunk import StoredTrunk
from vljepa_ros.model.from_bundle import graph_weights
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.runtime.bundle import EXTERNAL, MANIFEST, Bundle, write_manifest

_OF_THE_BASE = ("y_decoder", "words", "known_clips", "calibration")
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
    return write_manifest(out, {**_kept(fields), **_about(model, contents, parity)})


def _write_graphs(model: VLJepaModel, base: Bundle, out: Path) -> None:
    for name, weights in graph_weights(model, base).items():
        weights.write(getattr(model, name).state_dict())
        file = base.graphs[name]
        beside = base.holds_weights_of(file)
        onnx.save(
            weights.stored,
            out / file,
            save_as_external_data=beside,
            location=file + EXTERNAL if beside else None,
        )
    if not base.pixels:
        shutil.copyfile(
            base.root / base.graphs["frame_encoder"], out / base.graphs["frame_encoder"]
        )
    tokenizers = [base.tokenizer]
    if base.query_tokens is not None and base.query_tokens.table is not None:
        tokenizers += [base.query_tokens.table.tokenizer, base.query_tokens.table.rows]
    for name in filter(None, tokenizers):
        shutil.copyfile(base.root / name, out / name)


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
    return {
        "name": model.config.name,
        "version": __version__,
        "space_id": space_id(model),
        "logit_scale": round(model.scale.item(), 4),
        "queries": dict(contents.queries),
        "licences": dict(contents.licences),
        "parity": parity.errors,
    }


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
