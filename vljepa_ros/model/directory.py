# SPDX-License-Identifier: Apache-2.0
"""A model directory: what import and training write, and export reads.

========================  ====================================================
``config.json``           :class:`~.config.ModelConfig`
``model.safetensors``     the parameters, float32
``text_tokenizer.json``   tokenizer of answers, and of queries if they pass the Y-Encoder
``query_tokenizer.json``  tokenizer of queries that a table embeds
``licences.json``         {part: licence}
``queries.json``          {name of a query: question}, if there are any
``phrases.json``          {name of a query: [phrases]}, if there are any
``y_decoder.*``           a trained Y-Decoder, if there is one (:mod:`.y_decoder_files`)
========================  ====================================================
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.files import FolderKind, new_folder
from vljepa_ros.model.checkpoints.tensors import (
    CheckpointError,
    fill,
    open_safetensors,
    read_json,
    read_safetensors,
    same_names,
)
from vljepa_ros.model.config import ConfigError, ModelConfig
from vljepa_ros.model.empty import empty_model
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_decoder import YDecoderConfig
from vljepa_ros.model.y_decoder_files import DECODER_CONFIG, DECODER_WEIGHTS, decoder_config
from vljepa_ros.runtime.bundle import MANIFEST

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
LICENCES = "licences.json"
QUERIES = "queries.json"
PHRASES = "phrases.json"
TEXT_TOKENIZER = "text_tokenizer.json"
QUERY_TOKENIZER = "query_tokenizer.json"
_TEXTS = (LICENCES, QUERIES, PHRASES, TEXT_TOKENIZER, QUERY_TOKENIZER)
_FILES = (*_TEXTS, DECODER_CONFIG, DECODER_WEIGHTS, WEIGHTS, CONFIG)
_SMALL = 1 << 20  # values of a model that costs nothing to make
_OURS = {"x_encoder", "predictor", "y_encoder"}  # no other program's config.json has all three


@dataclass(frozen=True)
class ModelDirectory:
    """All of a model directory but the weights.

    Attributes:
        root: the folder.
        config: dimensions of the model.
        licences: licence by part.
        text_tokenizer: tokenizer of the Y-Encoder.
        query_tokenizer: that of the table of query tokens; None if queries pass the Y-Encoder.
        queries: question by name.
        phrases: known answers, by the same names.
        decoder: what the Y-Decoder is like; None if there is none.
    """

    root: Path
    config: ModelConfig
    licences: Mapping[str, str]
    text_tokenizer: Path
    query_tokenizer: Path | None
    queries: Mapping[str, str]
    phrases: Mapping[str, Sequence[str]]
    decoder: YDecoderConfig | None


def save_model(
    folder: Path,
    model: VLJepaModel,
    *,
    licences: Mapping[str, str],
    text_tokenizer: Path,
    query_tokenizer: Path | None = None,
    queries: Mapping[str, str] | None = None,
    phrases: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a model directory; one that is there already is replaced when the new one is whole.

    The Y-Decoder of one that is replaced goes with it, for it knows another embedding space.

    Args:
        folder: only an older model directory may lie there.
        model: what to write.
        licences: licence by part.
        text_tokenizer: tokenizer.json of the Y-Encoder.
        query_tokenizer: that of the table of query tokens, if the model has one.
        queries: question by name.
        phrases: known answers, by the same names.

    Raises:
        CheckpointError: the tokenizer of a table of queries is missing, or given in vain.
        OccupiedError: ``folder`` is something else, or holds more than a model.
        OSError: a file cannot be read or written.
    """
    needs_table = model.config.queries_from == "table"
    if needs_table != (query_tokenizer is not None):
        raise CheckpointError(
            "a model with a table of query tokens needs their tokenizer, and no other one does"
        )
    with new_folder(folder, MODEL_DIRECTORY) as part:
        _write_json(part / CONFIG, model.config.to_dict())
        save_file(model.state_dict(), part / WEIGHTS)
        _write_json(part / LICENCES, licences)
        for name, values in ((QUERIES, queries), (PHRASES, phrases)):
            if values:
                _write_json(part / name, values)
        shutil.copyfile(text_tokenizer, part / TEXT_TOKENIZER)
        if query_tokenizer is not None:
            shutil.copyfile(query_tokenizer, part / QUERY_TOKENIZER)


def model_parts(folder: Path) -> Sequence[str]:
    """Return the names of all files that a model directory may hold, or nothing if it is none."""
    try:
        config = read_json(folder / CONFIG)
    except CheckpointError:
        return ()
    ours = isinstance(config, dict) and config.keys() >= _OURS and (folder / WEIGHTS).is_file()
    return _FILES if ours else ()


MODEL_DIRECTORY = FolderKind("model directory", model_parts)
"""What import and training write, and all that they may take the place of."""


def open_directory(folder: Path) -> ModelDirectory:
    """Read all of a model directory but the weights.

    Raises:
        CheckpointError: a file is missing or not what it should be.
    """
    if (folder / MANIFEST).is_file():
        raise CheckpointError(
            f"{folder} is a bundle, which robots run; a model directory is needed: the one that "
            "the bundle was exported from, or one of `vljepa import`"
        )
    try:
        config = ModelConfig.from_dict(read_json(folder / CONFIG))
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG} is no configuration of ours: {error}") from error
    tokenizers = [folder / TEXT_TOKENIZER]
    if config.queries_from == "table":
        tokenizers.append(folder / QUERY_TOKENIZER)
    for path in (*tokenizers, folder / WEIGHTS):
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; import or train the model again")
    return ModelDirectory(
        root=folder,
        config=config,
        licences=_texts(folder / LICENCES),
        text_tokenizer=tokenizers[0],
        query_tokenizer=tokenizers[1] if len(tokenizers) > 1 else None,
        queries=stored_queries(folder),
        phrases=stored_phrases(folder),
        decoder=decoder_config(folder, config.embedding),
    )


def stored_queries(folder: Path) -> dict[str, str]:
    """Return the questions by name that lie in a folder; none if there is no such file.

    Raises:
        CheckpointError: the file holds something else.
    """
    return _texts(folder / QUERIES) if (folder / QUERIES).is_file() else {}


def stored_phrases(folder: Path) -> dict[str, list[str]]:
    """Return the phrases by query that lie in a folder; none if there is no such file.

    Raises:
        CheckpointError: the file holds something else.
    """
    file = folder / PHRASES
    if not file.is_file():
        return {}
    with _named(file):
        reader = FieldReader(read_json(file))
        return {name: reader.text_list(name) for name in reader.names()}


def _texts(file: Path) -> dict[str, str]:
    with _named(file):
        reader = FieldReader(read_json(file))
        return {name: reader.text(name) for name in reader.names()}


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Name the file in errors about its fields."""
    try:
        yield
    except FieldError as error:
        raise CheckpointError(f"{file}: {error}; correct it") from error


def load_model(folder: Path) -> VLJepaModel:
    """Read a model, in evaluation mode. Its parameters are mapped: memory is taken as it is used.

    Raises:
        CheckpointError: a file is missing or damaged, or tensors are missing, unexpected or
            misshapen.
    """
    config = open_directory(folder).config
    _check_size(config, folder)
    model = empty_model(config)
    fill(model, same_names(model), read_safetensors(folder / WEIGHTS), folder / WEIGHTS)
    return model


def _check_size(config: ModelConfig, folder: Path) -> None:
    """Refuse a model that is far larger than its file, before its layers are made.

    What exactly is missing is said by :func:`~.checkpoints.tensors.fill`.
    """
    held = sum(prod(shape) for _, shape in tensor_shapes(folder / WEIGHTS).values())
    if config.matrix_values > 2 * held + _SMALL:
        raise CheckpointError(
            f"{folder / CONFIG} describes a model of more than {config.matrix_values} values, but "
            f"{WEIGHTS} holds {held}; import or train the model again"
        )


def tensor_shapes(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return data type and shape of each tensor of a safetensors file, without reading any.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    shapes = {}
    with open_safetensors(path) as file:
        for name in file.keys():  # noqa: SIM118 - it is no dictionary
            part = file.get_slice(name)
            shapes[name] = (part.get_dtype(), tuple(part.get_shape()))
    return shapes


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
