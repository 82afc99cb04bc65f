# SPDX-License-Identifier: Apache-2.0
"""The trained text decoder: decodes an embedding into a sentence that need not be in the bank.

The graph holds the whole greedy search over words, so a sentence is one run. Its words are
numbers: 0 ends a sentence, and n is piece n - 1 of the bundle's words. A piece brings its own
space before it, so pieces are joined as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vljepa_ros.fields import FieldReader
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle, BundleError
from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.onnx_session import OnnxGraph
from vljepa_ros.stream.vectors import unit

GRAPH = "y_decoder"

_EXPORT_AGAIN = "export the bundle again"


class TextDecoder:
    """Runs a bundle's Y-Decoder. May be called from several threads."""

    def __init__(self, graph: OnnxGraph, pieces: Sequence[str], dimension: int) -> None:
        """Put loaded parts together; :meth:`from_bundle` is the usual way.

        Args:
            graph: ``embedding`` float32 (1, dimension) -> ``words`` int64 (1, L) and
                ``probability`` float32 (1).
            pieces: the words, each with the space that stands before it.
            dimension: of the embedding space.
        """
        self._graph = graph
        self._pieces = tuple(pieces)
        self._dimension = dimension

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> TextDecoder:
        """Load the text decoder of a bundle, and run it once.

        Raises:
            BundleError: the bundle has none, or its files do not fit each other.
        """
        if bundle.words is None:
            raise BundleError(
                bundle.root,
                f"has no {GRAPH}, so it knows the phrases of its bank only",
                "use the decoder 'phrases', or train a text decoder (vljepa train-decoder) and "
                "export the bundle again",
            )
        decoder = cls(OnnxGraph(bundle, GRAPH), _read_pieces(bundle), bundle.dimension)
        try:
            decoder.best("", np.eye(1, bundle.dimension)[0])
        except BackendError as error:
            cause = f"does not speak ({error})"
            raise BundleError(bundle.root / bundle.graphs[GRAPH], cause, _EXPORT_AGAIN) from error
        return decoder

    def best(self, query: str, embedding: ArrayLike) -> Description:
        """Return the sentence that ``embedding`` (dimension) stands for, and its probability.

        An embedding already is the answer to its query, so ``query`` changes nothing.

        Raises:
            ValueError: the embedding has another dimension or is not usable.
            BackendError: the graph failed.
        """
        vector = unit(embedding)
        if vector.shape != (self._dimension,):
            raise ValueError(
                f"an embedding of shape {vector.shape}, expected ({self._dimension},)"
            )
        words, probability = self._graph.run({"embedding": vector[np.newaxis]})
        return Description(self._text(words[0].tolist()), float(probability[0]))

    def _text(self, words: list[int]) -> str:
        sentence = words[: words.index(0)] if 0 in words else words
        if max(sentence, default=0) > len(self._pieces):
            raise BackendError(
                f"{GRAPH} said word {max(sentence)}, but there are {len(self._pieces)}"
            )
        return "".join(self._pieces[word - 1] for word in sentence).strip()


def _read_pieces(bundle: Bundle) -> list[str]:
    assert bundle.words is not None, "it was checked"
    try:
        reader = FieldReader(bundle.read_json(bundle.words), "the file of words")
        return reader.text_list("words")
    except ValueError as error:
        raise BundleError(bundle.root / bundle.words, str(error), _EXPORT_AGAIN) from error
