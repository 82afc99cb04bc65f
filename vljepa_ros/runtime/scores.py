# SPDX-License-Identifier: Apache-2.0
"""Similarities as probabilities: softmax of scaled cosines, as the model was trained with.

A score says how much better a text fits than the other candidates. It does not say that any of
them fits: the scores of two wrong answers also add up to one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def softmax(logits: ArrayLike) -> NDArray[np.float32]:
    """Return the softmax over the last axis of ``logits`` (n), computed in double precision."""
    array = np.asarray(logits, dtype=np.float64)
    powers = np.exp(array - array.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
