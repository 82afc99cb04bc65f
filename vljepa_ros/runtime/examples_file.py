# SPDX-License-Identifier: Apache-2.0
"""Visual examples in a file: the features of all clips, and what they are examples of.

A ``.npz`` archive of three arrays: ``features`` float32 (N, F), ``of`` int32 (N) with the index of
each clip's text, and ``about``, the bytes of a JSON text with ``space_id`` and, for each text,
``queries`` and ``texts``.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.fields import FieldReader
from vljepa_ros.files import new_file
from vljepa_ros.runtime.examples import MAX_CLIPS, MAX_FEATURES, Examples
from vljepa_ros.runtime.queries import clean_name, clean_phrase
from vljepa_ros.runtime.stored_arrays import parse_npz

SUFFIX = ".npz"
_NAMES = ("features", "of", "about")
_MOST_BYTES = MAX_CLIPS * MAX_FEATURES * 4  # of which texts take little


class ExamplesFileError(ValueError):
    """A file of examples cannot be used; the message names it, says why and what to do."""


def read_examples(file: Path, space_id: str) -> Examples:
    """Return the examples of a file.

    Args:
        file: as :func:`write_examples` writes it; may begin with ``~``.
        space_id: names the model that they must be of.

    Raises:
        ExamplesFileError: it cannot be read, is no such file, or is of another model.
    """
    file = file.expanduser()
    found = _read(file)
    if found.space_id != space_id:
        raise ExamplesFileError(
            f"{file}: examples of the model {found.space_id!r}, but the bundle is {space_id!r}: "
            "features of two models do not compare; start with the other bundle, or show anew"
        )
    examples = Examples(space_id)
    try:
        for index, (query, text) in enumerate(zip(found.queries, found.texts, strict=True)):
            name, clips = clean_name(query), found.features[found.of == index]
            examples.add(name, clean_phrase(name, text), clips)
    except ValueError as error:
        raise _unusable(file, error) from error
    return examples


def write_examples(file: Path, examples: Examples) -> int:
    """Write examples and return the number of clips.

    A file that is there is replaced only if it holds examples.

    Raises:
        ExamplesFileError: its name does not end with .npz, there is no example, another file is
            there, or it cannot be written.
    """
    if file.suffix != SUFFIX:
        raise ExamplesFileError(f"{file}: the name of a file of examples ends with {SUFFIX}")
    rows = list(examples.rows())
    if not rows:
        raise ExamplesFileError("there are no examples, so nothing is written")
    _check_replaceable(file)
    queries, texts = [query for query, _, _ in rows], [text for _, text, _ in rows]
    about = {"space_id": examples.space_id, "queries": queries, "texts": texts}
    of = np.repeat(np.arange(len(rows), dtype=np.int32), [len(clips) for _, _, clips in rows])
    try:
        with new_file(file) as stream:
            np.savez_compressed(
                stream,
                features=np.concatenate([clips for _, _, clips in rows]),
                of=of,
                about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
            )
    except OSError as error:
        raise ExamplesFileError(f"{file} cannot be written: {error.strerror or error}") from error
    return len(of)


class _Content(NamedTuple):
    space_id: str
    queries: list[str]  # of each text
    texts: list[str]
    features: NDArray[np.float32]
    of: NDArray[np.int32]


def _check_replaceable(file: Path) -> None:
    try:
        _read(file)
    except ExamplesFileError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise ExamplesFileError(f"{error}; it is not replaced: choose another name") from error


def _read(file: Path) -> _Content:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
            raise ValueError(f"no regular file of at most {_MOST_BYTES} bytes")
        arrays = parse_npz(file.read_bytes(), _NAMES, _MOST_BYTES)
        return _checked(*(arrays[name] for name in _NAMES))
    except OSError as error:
        raise ExamplesFileError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _unusable(file, error) from error


def _checked(
    features: NDArray[np.float32], of: NDArray[np.int32], about: NDArray[np.uint8]
) -> _Content:
    if features.dtype != np.float32 or features.ndim != 2 or about.dtype != np.uint8:
        raise ValueError(f"features {features.dtype} {features.shape}, about {about.dtype}")
    reader = FieldReader(json.loads(about.tobytes()), "about")
    queries, texts = reader.text_list("queries"), reader.text_list("texts")
    fits = of.dtype == np.int32 and of.shape == (len(features),) and len(queries) == len(texts)
    if not fits or set(of.tolist()) != set(range(len(texts))):
        raise ValueError("its clips and texts do not fit each other")
    return _Content(reader.text("space_id"), queries, texts, features, of)


def _unusable(file: Path, error: ValueError) -> ExamplesFileError:
    advice = "take a file that the describer's service save_examples has written"
    return ExamplesFileError(f"{file} holds no usable examples ({error}): {advice}")
