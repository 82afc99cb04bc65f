# SPDX-License-Identifier: Apache-2.0
"""What of an embedding is compared to find changes, by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream import signals

ANSWERS, EMBEDDING = "answers", "embedding"
COMPARISONS = (ANSWERS, EMBEDDING)


class Signal(Protocol):
    """Turns an embedding (dimension) of a query into what is compared (any).

    Raises:
        ValueError: the embedding is not usable.
    """

    def __call__(self, query: str, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the signal."""


def choose_signal(name: str, phrases: PhraseBank) -> Signal:
    """Return what compares by one of :data:`COMPARISONS`.

    Raises:
        ValueError: there is no such comparison.
    """
    if name == ANSWERS:
        return lambda query, embedding: signals.of_answers(phrases.probabilities(query, embedding))
    if name == EMBEDDING:
        return lambda query, embedding: signals.of_embedding(embedding, phrases.logit_scale)
    raise ValueError(f"no comparison {name!r}; there are {', '.join(COMPARISONS)}")
