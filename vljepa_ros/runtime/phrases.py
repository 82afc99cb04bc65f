# SPDX-License-Identifier: Apache-2.0
"""The phrase bank: known answers with their embeddings; the nearest one describes a clip.

The bank answers with a phrase that it holds and with the probability of that phrase among the
query's phrases, so an answer is always one that was measured. Phrases can be added at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.fields import FieldReader
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.stored_arrays import parse_npy
from vljepa_ros.stream.vectors import softmax, unit


@dataclass(frozen=True)
class Phrase(Description):
    """The best phrase: its text, its probability among the candidates, and its cosine (-1..1)."""

    cosine: float


@dataclass(frozen=True)
class _Rows:
    texts: tuple[str, ...]
    embeddings: NDArray[np.float32]


class _Compared(NamedTuple):
    texts: tuple[str, ...]
    cosines: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class PhraseBank:
    """Phrases by query name. May be read and added to from several threads."""

    def __init__(
        self, texts: Mapping[str, Sequence[str]], embeddings: ArrayLike, logit_scale: float
    ) -> None:
        """Take the phrases of each query and their embeddings.

        Args:
            texts: phrases by query name.
            embeddings: (N, dimension), one row per phrase in the order of ``texts``.
            logit_scale: factor on the cosine before the softmax.

        Raises:
            ValueError: the numbers of texts and rows differ, or a row is not usable.
        """
        rows = unit(embeddings)
        count = sum(len(phrases) for phrases in texts.values())
        if rows.ndim != 2 or len(rows) != count or count == 0:
            raise ValueError(f"{count} phrases, but embeddings of shape {rows.shape}")
        self.logit_scale = logit_scale
        self._dimension = rows.shape[1]
        self._lock = threading.Lock()
        self._rows = _split(texts, rows)
        self._all = _Rows(tuple(t for part in texts.values() for t in part), rows)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> PhraseBank:
        """Read the bank of a bundle.

        Raises:
            BundleError: its files do not fit each other or the bundle's dimension.
        """
        try:
            texts = _parse_texts(bundle.read_json(bundle.phrases.texts))
        except ValueError as error:
            raise _unusable(bundle, bundle.phrases.texts, error) from error
        try:
            rows = _parse_rows(bundle.read(bundle.phrases.embeddings), bundle.dimension)
            return cls(texts, rows, bundle.logit_scale)
        except ValueError as error:
            raise _unusable(bundle, bundle.phrases.embeddings, error) from error

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """The phrases of each query."""
        with self._lock:
            return {query: rows.texts for query, rows in self._rows.items()}

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Unit vectors of all phrases (N, dimension)."""
        with self._lock:
            return self._all.embeddings

    def add(self, query: str, embeddings: Mapping[str, ArrayLike]) -> None:
        """Add phrases to a query, and replace the embeddings of those that it has; all or none.

        Args:
            query: its name.
            embeddings: one (dimension) by the phrase's text.

        Raises:
            ValueError: an embedding has another dimension or is not usable.
        """
        new = {text: self._row(embedding) for text, embedding in embeddings.items()}
        with self._lock:
            rows = self._rows.get(query)
            for text, row in new.items():
                rows = _with_row(rows, text, row)
            if rows is not None:
                self._rows = {**self._rows, query: rows}
                self._all = _joined(self._rows)

    def best(self, query: str, embedding: ArrayLike) -> Phrase:
        """Return the phrase of ``query`` nearest to ``embedding`` (dimension).

        A query without phrases of its own is answered from the whole bank.

        Raises:
            ValueError: the embedding has another dimension or is not usable.
        """
        compared = self._compared(query, embedding)
        index = int(compared.cosines.argmax())
        score, cosine = compared.probabilities[index], compared.cosines[index]
        return Phrase(compared.texts[index], float(score), float(cosine))

    def probabilities(self, query: str, embedding: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each phrase (N) that ``query`` may be answered with.

        Raises:
            ValueError: the embedding has another dimension or is not usable.
        """
        return self._compared(query, embedding).probabilities

    def _compared(self, query: str, embedding: ArrayLike) -> _Compared:
        vector = self._row(embedding)
        with self._lock:
            rows = self._rows.get(query, self._all)
        cosines = rows.embeddings @ vector
        return _Compared(rows.texts, cosines, softmax(self.logit_scale * cosines))

    def _row(self, embedding: ArrayLike) -> NDArray[np.float32]:
        row = unit(embedding)
        if row.shape != (self._dimension,):
            raise ValueError(f"an embedding of shape {row.shape}, expected ({self._dimension},)")
        return row


def _split(texts: Mapping[str, Sequence[str]], rows: NDArray[np.float32]) -> dict[str, _Rows]:
    parts, start = {}, 0
    for query, phrases in texts.items():
        if phrases:
            parts[query] = _Rows(tuple(phrases), rows[start : start + len(phrases)])
        start += len(phrases)
    return parts


def _with_row(rows: _Rows | None, text: str, row: NDArray[np.float32]) -> _Rows:
    if rows is None:
        return _Rows((text,), row[np.newaxis])
    if text in rows.texts:
        embeddings = rows.embeddings.copy()
        embeddings[rows.texts.index(text)] = row
        return _Rows(rows.texts, embeddings)
    return _Rows((*rows.texts, text), np.vstack([rows.embeddings, row]))


def _joined(parts: Mapping[str, _Rows]) -> _Rows:
    texts = tuple(text for part in parts.values() for text in part.texts)
    return _Rows(texts, np.vstack([part.embeddings for part in parts.values()]))


def _parse_texts(content: object) -> dict[str, list[str]]:
    reader = FieldReader(content, "the phrase file")
    return {query: reader.text_list(query) for query in reader.names()}


def _parse_rows(data: bytes, dimension: int) -> NDArray[np.float32]:
    rows = parse_npy(data)
    if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != dimension:
        raise ValueError(f"holds {rows.dtype} {rows.shape}, expected float32 (N, {dimension})")
    return rows


def _unusable(bundle: Bundle, name: str, error: ValueError) -> BundleError:
    return BundleError(bundle.root / name, str(error), "export the bundle again")
