# SPDX-License-Identifier: Apache-2.0
"""Texts into the embedding space: tokenizer and Y-Encoder, with a cache.

Queries hardly ever change while every clip needs them, so a text is encoded once and remembered.
The cache is bounded: texts come from services and from strangers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.runtime.tokenizer import MAX_CHARACTERS, TextTokenizer
from vljepa_ros.stream.clean_text import clean_text

_CACHED_TEXTS = 128


class Encoded(NamedTuple):
    """A text as its unit embedding (dimension) and its token states (L, E).

    There are no states if queries do not come from the Y-Encoder. Both are read-only.
    """

    embedding: NDArray[np.float32]
    states: NDArray[np.float32] | None


class TextEncoder:
    """Encodes texts with a bundle's Y-Encoder. May be called from several threads."""

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the tokenizer and the Y-Encoder.

        Raises:
            BundleError: one of them cannot be loaded.
        """
        assert bundle.tokenizer is not None, "a bundle with a y_encoder has its tokenizer"
        self._tokens = load_tokenizer(bundle, bundle.tokenizer, bundle.max_text_tokens)
        self._graph = OnnxGraph(bundle, "y_encoder", threads)
        self._encode = lru_cache(maxsize=_CACHED_TEXTS)(self._encode_clean)

    def encode(self, text: str) -> Encoded:
        """Encode a text.

        White space and control characters do not count; what exceeds the bundle's token limit is
        cut off. The arrays are shared with the cache.

        Raises:
            TextError: nothing is left to encode.
            BackendError: the Y-Encoder is closed or failed.
        """
        return self._encode(clean_text(text, limit=MAX_CHARACTERS))

    def close(self) -> None:
        """Release the Y-Encoder and forget the cached texts."""
        self._graph.close()
        self._encode.cache_clear()

    def _encode_clean(self, text: str) -> Encoded:
        ids = np.asarray([self._tokens.of(text)], dtype=np.int64)
        embedding, *states = (output[0] for output in self._graph.run({"input_ids": ids}))
        for array in (embedding, *states):
            array.setflags(write=False)
        return Encoded(embedding, states[0] if states else None)


def load_tokenizer(bundle: Bundle, name: str, max_tokens: int) -> TextTokenizer:
    """Read one of a bundle's tokenizers.

    Raises:
        BundleError: the file is no tokenizer, or one of a later release.
    """
    try:
        return TextTokenizer(bundle.read(name), max_tokens)
    except ValueError as error:
        remedy = "export the bundle again, or install a newer tokenizers"
        raise BundleError(bundle.root / name, str(error), remedy) from error
