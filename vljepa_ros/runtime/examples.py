# SPDX-License-Identifier: Apache-2.0
"""Visual examples: clips that somebody has named, as answers to a query.

They are compared by what the encoder sees (the features of clips), not in the text space, so they
also tell scenes apart that the model was never trained on. The examples of a query are centred and
scaled by their own mean and deviation. How near a clip is to a text is the mean of two cosines:
the one to the mean of the text's examples, and that to its three nearest examples. With few
examples of each text that was better than nearest neighbours or discriminant analysis with shrunk
covariance (``benchmarks/show_and_name.py``).

One text says nothing about what is no example of it, so examples answer a query once two texts
have some.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.vectors import softmax

MAX_TEXTS = 64  # of one query
MAX_CLIPS_PER_QUERY = 1024
MAX_CLIPS = 4096
MAX_FEATURES = 4096  # of one clip
LEAST_TEXTS = 2  # that have examples before these answer
_NEAREST = 3
_SHARPNESS = 6.0  # factor on the nearness before the softmax: the likeliest on other clips
_LEAST_DEVIATION = 1e-3  # of a feature, in deviations of all of them

_Clips = Mapping[str, NDArray[np.float32]]  # (N, F) by text


class Examples:
    """Examples of one model by query and text. May be used from several threads."""

    def __init__(self, space_id: str) -> None:
        """Start without any.

        Args:
            space_id: names the model whose features these are.
        """
        self.space_id = space_id
        self._lock = threading.Lock()  # for whoever changes them
        self._clips: Mapping[str, _Clips] = {}  # by query
        self._taught: Mapping[str, TaughtAnswers] = {}  # by query, if examples answer it

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """The number of clips by query and text."""
        clips = self._clips
        return {q: {text: len(rows) for text, rows in texts.items()} for q, texts in clips.items()}

    @property
    def total(self) -> int:
        """The number of all clips."""
        return sum(sum(texts.values()) for texts in self.counts.values())

    def taught(self, query: str) -> TaughtAnswers | None:
        """Return what answers a query; None if its phrases do."""
        return self._taught.get(query)

    def rows(self) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
        """Yield each query, text and its features (N, F)."""
        for query, texts in self._clips.items():
            for text, rows in texts.items():
                yield query, text, rows

    def add(self, query: str, text: str, features: NDArray[np.float32]) -> None:
        """Add clips to those of a text, all or none.

        Args:
            query: its name.
            text: what is seen.
            features: (N, F), at least one row.

        Raises:
            ValueError: they are of another shape than those before or not finite, or there would
                be too many.
        """
        with self._lock:
            self._check(query, text, features)
            texts = dict(self._clips.get(query, {}))
            texts[text] = np.concatenate([texts[text], features]) if text in texts else features
            self._set(query, texts)

    def check(self, query: str, text: str, features: NDArray[np.float32]) -> None:
        """Check that clips may be added.

        Raises:
            ValueError: as :meth:`add`.
        """
        with self._lock:
            self._check(query, text, features)

    def check_known(self, query: str, texts: Sequence[str]) -> None:
        """Check that all of these texts of a query have examples.

        Raises:
            ValueError: the query or one of the texts has none.
        """
        has = self.counts.get(query, {})
        if not has:
            known = ", ".join(self.counts) or "none"
            raise ValueError(f"query {query!r} has no examples; queries with examples: {known}")
        if unknown := [text for text in texts if text not in has]:
            raise ValueError(f"query {query!r} has no examples of {unknown[0]!r}")

    def remove(self, query: str, texts: Sequence[str]) -> None:
        """Forget the examples of some texts of a query, all or none; no texts are all of them.

        Raises:
            ValueError: the query or one of the texts has none.
        """
        with self._lock:
            self.check_known(query, texts)
            gone = set(texts or self._clips[query])
            kept = {text: rows for text, rows in self._clips[query].items() if text not in gone}
            self._set(query, kept)

    def _set(self, query: str, texts: _Clips) -> None:
        others = {name: of for name, of in self._clips.items() if name != query}
        taught = {name: of for name, of in self._taught.items() if name != query}
        if texts:
            others[query] = texts
        if len(texts) >= LEAST_TEXTS:
            taught[query] = TaughtAnswers.of(texts)
        self._clips, self._taught = others, taught

    def _check(self, query: str, text: str, features: NDArray[np.float32]) -> None:
        texts, new = self.counts.get(query, {}), len(features)
        size = next((rows.shape[1] for _, _, rows in self.rows()), features.shape[-1])
        if features.ndim != 2 or features.shape[1] != size or not (new and size):
            raise ValueError(f"features of shape {features.shape}, expected (clips, {size})")
        if not np.isfinite(features).all():
            raise ValueError("features that are not finite")
        if len({*texts, text}) > MAX_TEXTS:
            raise ValueError(f"examples of more than {MAX_TEXTS} texts for query {query!r}")
        if (number := sum(texts.values()) + new) > MAX_CLIPS_PER_QUERY:
            limit = f"there may be {MAX_CLIPS_PER_QUERY}: remove some"
            raise ValueError(f"{number} example clips for query {query!r}; {limit}")
        if (number := self.total + new) > MAX_CLIPS:
            raise ValueError(f"{number} example clips; there may be {MAX_CLIPS} for all queries")


@dataclass(frozen=True)
class TaughtAnswers:
    """The texts of one query that have examples, and how near a clip is to each.

    Attributes:
        texts: in the order in which they were first shown.
    """

    texts: tuple[str, ...]
    _mean: NDArray[np.float64]  # (F) of all examples
    _deviation: NDArray[np.float64]  # (F)
    _examples: tuple[NDArray[np.float64], ...]  # unit vectors (N, F) of each text
    _means: NDArray[np.float64]  # unit vectors (texts, F)

    @classmethod
    def of(cls, clips: _Clips) -> TaughtAnswers:
        """Learn from the features (N, F) of each text."""
        rows = np.concatenate(list(clips.values())).astype(np.float64)
        mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        # A feature that hardly varies among the examples must not be blown up.
        deviation += _LEAST_DEVIATION * (rows.std() or 1.0)
        scaled = [(part - mean) / deviation for part in clips.values()]
        means = _directions(np.stack([part.mean(axis=0) for part in scaled]))
        return cls(tuple(clips), mean, deviation, tuple(map(_directions, scaled)), means)

    @property
    def size(self) -> int:
        """The number of features of a clip."""
        return self._mean.size

    def nearness(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return how near a clip (F) is to each text (-1..1)."""
        clip = _directions((features - self._mean) / self._deviation)
        nearest = [np.sort(part @ clip)[-_NEAREST:].mean() for part in self._examples]
        return np.asarray((self._means @ clip + nearest) / 2.0)

    def shares(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the share of each text for a clip (F); they add up to one."""
        return softmax(_SHARPNESS * self.nearness(features))


def _directions(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors (..., F); one that is zero stays so."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0.0, norms, 1.0))
