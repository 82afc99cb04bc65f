# SPDX-License-Identifier: Apache-2.0
"""The signal of an embedding: what a change detector compares.

How far two embeddings of one state lie apart differs from model to model and from query to query.
The probabilities of a query's answers do not: the model's own temperature says when one answer is
another. Two answers that exclude each other are wholly different in every model and query.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.runtime.phrases import NoPhrasesError, PhraseBank
from vljepa_ros.stream.vectors import unit

ANSWERS, EMBEDDING = "answers", "embedding"
COMPARISONS = (ANSWERS, EMBEDDING)
LOGIT_STEP = 1.7  # difference of logits that counts as much as another answer


class Signal(Protocol):
    """Turns an embedding (dimension) of a query into what is compared (any).

    Raises:
        ValueError: the embedding is not usable.
    """

    def __call__(self, query: str, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the signal."""


def choose_signal(name: str, phrases: PhraseBank) -> Signal:
    """Return the signal for one of :data:`COMPARISONS`.

    The embeddings themselves are compared as long as a query has no phrases.

    Raises:
        ValueError: there is no such comparison.
    """
    if name == ANSWERS:
        return partial(_of_answers, phrases)
    if name == EMBEDDING:
        return lambda query, embedding: embedding_signal(embedding, phrases.logit_scale)
    raise ValueError(f"no comparison {name!r}; there are {', '.join(COMPARISONS)}")


def _of_answers(
    phrases: PhraseBank, query: str, embedding: NDArray[np.float32]
) -> NDArray[np.float64]:
    try:
        return answer_signal(phrases.probabilities(query, embedding))
    except NoPhrasesError:
        return embedding_signal(embedding, phrases.logit_scale)


def answer_signal(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the square roots of probabilities (N).

    Half the squared distance of two of them is the squared Hellinger distance, which is 0 for
    equal answers and 1 for answers that have nothing in common.
    """
    return np.sqrt(np.asarray(probabilities, dtype=np.float64))


def embedding_signal(embedding: ArrayLike, logit_scale: float) -> NDArray[np.float64]:
    """Return an embedding (dimension) in units of the model's temperature.

    It is for streams whose answers nobody knows. Half the squared distance of two of them is 1
    if the logit of a text that lies on one of them differs by :data:`LOGIT_STEP`.

    Raises:
        EmbeddingError: the embedding is zero or not finite.
    """
    return unit(embedding).astype(np.float64) * math.sqrt(logit_scale / LOGIT_STEP)
