# SPDX-License-Identifier: Apache-2.0
"""Answers from visual examples for the queries that have some, from the decoder for all others.

A state stands for many clips, so both what the model answers and what the encoder sees have to be
averaged over them. The features therefore travel with the embedding through the change detector,
in one vector: so small that no cosine changes, and with a one at the end that is scaled like
them, so that their mean keeps its size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.runtime.decoder import Decoder, Description
from vljepa_ros.runtime.examples import Examples
from vljepa_ros.runtime.phrases import Compared, NoPhrasesError, PhraseBank
from vljepa_ros.runtime.signals import Signal, answer_signal
from vljepa_ros.runtime.state_tracker import Score
from vljepa_ros.stream.vectors import EmbeddingError, unit

_LIGHT = 2.0**-20  # size of features beside an embedding of length one


class ExampleAnswers:
    """A decoder and a signal that know examples. May be called from several threads."""

    def __init__(
        self,
        decoder: Decoder,
        signal: Signal,
        score: Score,
        phrases: PhraseBank,
        examples: Examples,
    ) -> None:
        """Take what answers queries without examples.

        Args:
            decoder: finds the words.
            signal: finds what is compared.
            score: finds how probable it is that words are right.
            phrases: the candidates of queries without examples.
            examples: may change at any time.
        """
        self._decoder, self._signal, self._score = decoder, signal, score
        self._phrases = phrases
        self.examples = examples

    def answers(self, query: str) -> bool:
        """Return whether examples answer a query."""
        return self.examples.taught(query) is not None

    def seen(
        self, query: str, embedding: NDArray[np.float32], features: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Return the vector that the other methods take for a clip.

        Args:
            query: name of the query.
            embedding: (dimension).
            features: (F); only needed if examples answer the query.

        Raises:
            EmbeddingError: the features are missing or of another model, or not usable.
        """
        taught = self.examples.taught(query)
        if taught is None:
            return embedding
        if features is None or features.size != taught.size:
            found = "none" if features is None else f"{features.size}"
            raise EmbeddingError(f"{found} visual features, the examples have {taught.size}")
        one = np.ones(1, dtype=np.float32)
        return np.concatenate([unit(embedding), _LIGHT * features, _LIGHT * one])

    def best(self, query: str, embedding: ArrayLike) -> Description:
        """Return the words that fit a clip or a mean of clips best.

        The share of an answer from examples is its share among the texts with examples. Its
        cosine is not a number, because it is not compared with a phrase.

        Raises:
            ValueError: the vector is not usable.
            BackendError: a graph failed.
        """
        parts = self._parted(embedding)
        taught = self.examples.taught(query)
        if taught is None or parts.features.size != taught.size:
            return self._decoder.best(query, parts.embedding)
        shares = taught.shares(parts.features)
        index = int(shares.argmax())
        return Description(taught.texts[index], float(shares[index]))

    def score(self, query: str, share: float, unfamiliarity: float) -> float:
        """Return how probable it is that words are right; of examples only the share is known."""
        return share if self.answers(query) else self._score(query, share, unfamiliarity)

    def signal(self, query: str, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what a change detector compares.

        Raises:
            ValueError: the vector is not usable.
        """
        parts, taught = self._parted(vector), self.examples.taught(query)
        if taught is None or parts.features.size != taught.size:
            return self._signal(query, parts.embedding)
        return answer_signal(taught.shares(parts.features))

    def candidates(self, query: str, vector: NDArray[np.float32]) -> Compared | None:
        """Return how well each answer fits a clip; None if the query has no phrases.

        Cosines of answers from examples are not numbers.

        Raises:
            ValueError: the vector is not usable.
        """
        parts, taught = self._parted(vector), self.examples.taught(query)
        if taught is not None and parts.features.size == taught.size:
            none = np.full(len(taught.texts), np.nan, dtype=np.float32)
            return Compared(taught.texts, none, taught.shares(parts.features))
        try:
            return self._phrases.compare(query, parts.embedding)
        except NoPhrasesError:
            return None

    def embedding(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the unit embedding (dimension) of a clip or a mean of clips."""
        return unit(self._parted(vector).embedding)

    def features(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features (F) of a clip or a mean of clips; empty if it has none."""
        return self._parted(vector).features

    def _parted(self, vector: ArrayLike) -> _Parts:
        array = np.asarray(vector, dtype=np.float32)
        rest = array[self._phrases.dimension :]
        features = rest[:-1] / rest[-1] if rest.size > 1 else rest[:0]
        return _Parts(array[: self._phrases.dimension], features)


class _Parts(NamedTuple):
    embedding: NDArray[np.float32]
    features: NDArray[np.float32]
