# SPDX-License-Identifier: Apache-2.0
"""Texts into the embedding space: tokenizer and Y-Encoder, with a cache.

Queries hardly ever change while every clip needs them, so a text is encoded once and remembered.
The cache is bounded: texts come from services and from strangers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.stream.text import clean_text

MAX_CHARACTERS = 4096
_CACHED_TEXTS = 128


class TextError(ValueError):
    """A text has nothing that could be encoded."""


@dataclass(frozen=True)
class QueryTokens:
    """One query for the predictor: tokens (L, E) zero padded, mask (L) True on the real ones."""

    tokens: NDArray[np.float32]
    mask: NDArray[np.bool_]


class TextEncoder:
    """Encodes texts with a bundle's Y-Encoder. May be called from several threads."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the tokenizer and the Y-Encoder.

        Raises:
            BundleError: one of them cannot be loaded.
        """
        self._max_query_tokens = bundle.max_query_tokens
        self._tokenizer = _load_tokenizer(bundle)
        self._graph = OnnxGraph(bundle, "y_encoder", threads)
        self._encode = lru_cache(maxsize=_CACHED_TEXTS)(self._encode_clean)
        self._pad = lru_cache(maxsize=_CACHED_TEXTS)(self._pad_clean)

    def encode(self, text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the token states (L, E) and the unit embedding (dimension) of a text.

        White space and control characters do not count; what exceeds the bundle's token limit is
        cut off. The arrays are shared with the cache and read-only.

        Raises:
            TextError: nothing is left to encode.
            BackendError: the Y-Encoder is closed or failed.
        """
        return self._encode(clean_text(text, limit=MAX_CHARACTERS))

    def query_tokens(self, text: str) -> QueryTokens:
        """Return a query's tokens, cut and zero padded to the bundle's ``max_query_tokens``.

        Raises:
            TextError: nothing is left to encode.
            BackendError: the Y-Encoder is closed or failed.
        """
        return self._pad(clean_text(text, limit=MAX_CHARACTERS))

    def close(self) -> None:
        """Release the Y-Encoder and forget the cached texts."""
        self._graph.close()
        self._encode.cache_clear()
        self._pad.cache_clear()

    def _encode_clean(self, text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        ids = self._tokenizer.encode(text).ids if text else []
        if not ids:
            raise TextError("the text is empty: it has no word to encode")
        input_ids = np.asarray([ids], dtype=np.int64)
        states, embedding = self._graph.run(
            {"input_ids": input_ids, "attention_mask": np.ones_like(input_ids)}
        )
        return _frozen(states[0]), _frozen(embedding[0])

    def _pad_clean(self, text: str) -> QueryTokens:
        states = self._encode(text)[0][: self._max_query_tokens]
        tokens = np.zeros((self._max_query_tokens, states.shape[1]), dtype=np.float32)
        tokens[: len(states)] = states
        mask: NDArray[np.bool_] = np.arange(self._max_query_tokens) < len(states)
        mask.setflags(write=False)
        return QueryTokens(_frozen(tokens), mask)


def _load_tokenizer(bundle: Bundle) -> Tokenizer:
    data = bundle.read(bundle.tokenizer)
    try:
        tokenizer = Tokenizer.from_str(data.decode("utf-8"))
    except Exception as error:  # tokenizers raises plain Exception.
        cause = f"is not a tokenizer that this release of tokenizers reads ({error})"
        remedy = "export the bundle again, or install a newer tokenizers"
        raise BundleError(bundle.root / bundle.tokenizer, cause, remedy) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=bundle.max_text_tokens)
    return tokenizer


def _frozen(array: NDArray[np.float32]) -> NDArray[np.float32]:
    array.setflags(write=False)
    return array
