# SPDX-License-Identifier: Apache-2.0
"""Embeddings as unit vectors, and their similarities as probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class EmbeddingError(ValueError):
    """An embedding is zero, not finite, or has the wrong shape."""


def unit(vectors: ArrayLike) -> NDArray[np.float32]:
    """Return ``vectors`` (..., dimension) scaled to length one.

    Raises:
        EmbeddingError: a vector is empty, zero, infinite or not a number.
    """
    array = np.asarray(vectors, dtype=np.float64)
    if array.ndim == 0 or array.size == 0:
        raise EmbeddingError(f"an embedding must be a vector, not of shape {array.shape}")
    norms = np.linalg.norm(array, axis=-1, keepdims=True)
    if not (np.isfinite(norms) & (norms > 0)).all():
        raise EmbeddingError("an embedding must be finite and not zero")
    return np.asarray(array / norms, dtype=np.float32)


def softmax(logits: ArrayLike) -> NDArray[np.float32]:
    """Return the softmax over the last axis of ``logits`` (n), computed in double precision.

    Of scaled cosines, as the model was trained with. Such a probability says how much better a
    text fits than the other candidates. It does not say that any of them fits: the probabilities
    of two wrong answers also add up to one.
    """
    array = np.asarray(logits, dtype=np.float64)
    powers = np.exp(array - array.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
