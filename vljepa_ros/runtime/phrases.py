# SPDX-License-Identifier: Apache-2.0
"""The phrase bank: known answers with their embeddings; the nearest one describes a clip.

The bank answers with a phrase that it holds and with the probability of that phrase among the
query's phrases, so an answer is always one that was measured. A query without phrases has no
answer: the phrases of another query would be stated as facts that nobody asked for. Phrases can be
added and removed at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.fields import FieldReader
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.stored_arrays import parse_npy
from vljepa_ros.stream.vectors import softmax, unit

OWN, ALL = "own", "all"
ANSWER_FROM = (OWN, ALL)
# How many phrases may be added to those that the bank began with. They cost time per embedding.
MAX_ADDED_PER_QUERY = 256
MAX_ADDED = 2048


class NoPhrasesError(ValueError):
    """A query has no phrases, so it has no answer."""

    def __init__(self, query: str) -> None:
        """Name the query."""
        super().__init__(f"query {query!r} has no phrases that could answer it")


@dataclass(frozen=True)
class Phrase(Description):
    """The best phrase: its text, its share among the candidates, and its cosine (-1..1)."""

    cosine: float


@dataclass(frozen=True)
class _Rows:
    texts: tuple[str, ...]
    embeddings: NDArray[np.float32]


class Compared(NamedTuple):
    """The phrases that may answer a query, and how well each fits an embedding (N each)."""

    texts: tuple[str, ...]
    cosines: NDArray[np.float32]
    probabilities: NDArray[np.float32]


class PhraseBank:
    """Phrases by query name. May be read and added to from several threads."""

    def __init__(
        self,
        texts: Mapping[str, Sequence[str]],
        embeddings: ArrayLike,
        logit_scale: float,
        answer_from: str = OWN,
    ) -> None:
        """Take the phrases of each query and their embeddings.

        Args:
            texts: phrases by query name.
            embeddings: (N, dimension), one row per phrase in the order of ``texts``.
            logit_scale: factor on the cosine before the softmax.
            answer_from: ``"own"`` answers a query with its own phrases only; ``"all"`` answers a
                query that has none with any phrase of the bank.

        Raises:
            ValueError: the numbers of texts and rows differ, or a row is not usable.
        """
        rows = unit(embeddings)
        count = sum(len(phrases) for phrases in texts.values())
        if rows.ndim != 2 or len(rows) != count or count == 0:
            raise ValueError(f"{count} phrases, but embeddings of shape {rows.shape}")
        self.logit_scale = logit_scale
        self._dimension = int(rows.shape[1])
        self._shares = answer_from == ALL
        self._lock = threading.Lock()
        self._rows = _split(texts, rows)
        self._all = self._joined()
        self._first = frozenset(_pairs(self._rows))

    @classmethod
    def from_bundle(cls, bundle: Bundle, answer_from: str = OWN) -> PhraseBank:
        """Read the bank of a bundle; ``answer_from`` is as above.

        Raises:
            BundleError: its files do not fit each other or the bundle's dimension.
        """
        try:
            texts = _parse_texts(bundle.read_json(bundle.phrases.texts))
        except ValueError as error:
            raise _unusable(bundle, bundle.phrases.texts, error) from error
        try:
            rows = _parse_rows(bundle.read(bundle.phrases.embeddings), bundle.dimension)
            return cls(texts, rows, bundle.logit_scale, answer_from)
        except ValueError as error:
            raise _unusable(bundle, bundle.phrases.embeddings, error) from error

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """The phrases of each query."""
        with self._lock:
            return {query: rows.texts for query, rows in self._rows.items()}

    @property
    def dimension(self) -> int:
        """Length of the embeddings."""
        return self._dimension

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Unit vectors of all phrases (N, dimension)."""
        with self._lock:
            return self._all.embeddings

    def can_answer(self, query: str) -> bool:
        """Return whether there are phrases that ``query`` may be answered with."""
        with self._lock:
            return self._candidates(query) is not None

    def add(self, query: str, embeddings: Mapping[str, ArrayLike]) -> None:
        """Add phrases to a query, and replace the embeddings of those that it has; all or none.

        Args:
            query: its name.
            embeddings: one (dimension) by the phrase's text.

        Raises:
            ValueError: an embedding has another dimension or is not usable, or there would be too
                many phrases.
        """
        new = {text: self._row(embedding) for text, embedding in embeddings.items()}
        with self._lock:
            self._check_room(query, new)
            rows = self._rows.get(query)
            for text, row in new.items():
                rows = _with_row(rows, text, row)
            if rows is not None:
                self._rows = {**self._rows, query: rows}
                self._all = self._joined()

    def check_room(self, query: str, texts: Iterable[str]) -> None:
        """Check that these phrases may be added.

        Raises:
            ValueError: there would be too many.
        """
        with self._lock:
            self._check_room(query, texts)

    def remove(self, query: str, texts: Sequence[str]) -> None:
        """Take phrases away from a query; all or none.

        Args:
            query: its name.
            texts: the phrases; none are all of the query.

        Raises:
            ValueError: the query does not have one of them, or has no phrase.
        """
        with self._lock:
            rows = self._rows.get(query)
            if rows is None:
                raise NoPhrasesError(query)
            gone = set(texts or rows.texts)
            if unknown := gone.difference(rows.texts):
                raise ValueError(f"query {query!r} has no phrase {min(unknown)!r}")
            others = {name: part for name, part in self._rows.items() if name != query}
            kept = [index for index, text in enumerate(rows.texts) if text not in gone]
            if kept:
                left = _Rows(tuple(rows.texts[index] for index in kept), rows.embeddings[kept])
                others[query] = left
            self._rows = others
            self._all = self._joined()

    def best(self, query: str, embedding: ArrayLike) -> Phrase:
        """Return the phrase of ``query`` nearest to ``embedding`` (dimension).

        Raises:
            NoPhrasesError: the query has no phrases.
            ValueError: the embedding has another dimension or is not usable.
        """
        compared = self.compare(query, embedding)
        index = int(compared.cosines.argmax())
        share, cosine = compared.probabilities[index], compared.cosines[index]
        return Phrase(compared.texts[index], float(share), float(cosine))

    def probabilities(self, query: str, embedding: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each phrase (N) that ``query`` may be answered with.

        Raises:
            NoPhrasesError: the query has no phrases.
            ValueError: the embedding has another dimension or is not usable.
        """
        return self.compare(query, embedding).probabilities

    def compare(self, query: str, embedding: ArrayLike) -> Compared:
        """Return how well each phrase fits ``embedding`` (dimension), an answer to ``query``.

        Raises:
            NoPhrasesError: the query has no phrases.
            ValueError: the embedding has another dimension or is not usable.
        """
        vector = self._row(embedding)
        with self._lock:
            rows = self._candidates(query)
        if rows is None:
            raise NoPhrasesError(query)
        cosines = rows.embeddings @ vector
        return Compared(rows.texts, cosines, softmax(self.logit_scale * cosines))

    def _candidates(self, query: str) -> _Rows | None:
        shared = self._all if self._shares and self._all.texts else None
        return self._rows.get(query, shared)

    def _check_room(self, query: str, texts: Iterable[str]) -> None:
        added = set(_pairs(self._rows)).union((query, text) for text in texts) - self._first
        of_query = sum(name == query for name, _ in added)
        if of_query > MAX_ADDED_PER_QUERY:
            raise ValueError(
                f"{of_query} phrases for query {query!r} beside the bundle's; there may be "
                f"{MAX_ADDED_PER_QUERY}"
            )
        if len(added) > MAX_ADDED:
            raise ValueError(
                f"{len(added)} phrases beside the bundle's; there may be {MAX_ADDED} for all "
                "queries together"
            )

    def _joined(self) -> _Rows:
        parts = self._rows.values()
        rows = [part.embeddings for part in parts]
        none = np.empty((0, self._dimension), dtype=np.float32)
        return _Rows(
            tuple(text for part in parts for text in part.texts), np.vstack([none, *rows])
        )

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


def _pairs(parts: Mapping[str, _Rows]) -> Iterator[tuple[str, str]]:
    return ((query, text) for query, rows in parts.items() for text in rows.texts)


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
