# SPDX-License-Identifier: Apache-2.0
"""What turns an embedding into words: one interface for the phrase bank and the text decoder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from numpy.typing import ArrayLike

PHRASES, SENTENCES = "phrases", "sentences"
DECODERS = (PHRASES, SENTENCES)
"""By name; here and not in :mod:`.choose_decoder`, which loads their libraries."""


@dataclass(frozen=True)
class Description:
    """Words for an embedding, and how well they fit.

    Attributes:
        text: the words; empty if no phrase is similar enough.
        share: how probable the decoder holds them (0..1). Shares of two kinds of decoders do not
            compare: the phrase bank's is among its phrases, the text decoder's among all
            sentences. What a share is worth is counted in :mod:`.calibration`.
        cosine: similarity (-1..1) of the embedding to the nearest phrase; NaN if the decoder does
            not choose among phrases.
    """

    text: str
    share: float
    cosine: float = math.nan


class Decoder(Protocol):
    """Puts embeddings into words. May be called from several threads."""

    def best(self, query: str, embedding: ArrayLike) -> Description:
        """Return the words that fit ``embedding`` (dimension), an answer to ``query``, best.

        Raises:
            ValueError: the embedding has another dimension or is not usable.
            BackendError: a graph failed.
        """
