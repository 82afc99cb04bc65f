# SPDX-License-Identifier: Apache-2.0
"""Signals against the distances that they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vljepa_ros.stream import signals
from vljepa_ros.stream.vectors import EmbeddingError


def half_squared(a: object, b: object) -> float:
    difference = np.subtract(a, b)
    return 0.5 * float(difference @ difference)


def test_answers_are_as_far_apart_as_hellinger_says() -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    by_hand = 1 - sum(math.sqrt(a * b) for a, b in zip(p, q, strict=True))
    found = half_squared(signals.of_answers(p), signals.of_answers(q))
    assert found == pytest.approx(by_hand)
    assert half_squared(signals.of_answers(p), signals.of_answers(p)) == 0


def test_answers_that_exclude_each_other_are_wholly_different() -> None:
    found = half_squared(signals.of_answers([1.0, 0.0]), signals.of_answers([0.0, 1.0]))
    assert found == pytest.approx(1.0)


@pytest.mark.parametrize("logit_scale", [10.0, 100.0])
def test_embeddings_are_wholly_different_where_a_logit_moves_by_a_step(logit_scale: float) -> None:
    cosine = 1 - signals.LOGIT_STEP / logit_scale
    a, b = np.array([3.0, 0.0]), np.array([cosine, math.sqrt(1 - cosine**2)])
    found = half_squared(
        signals.of_embedding(a, logit_scale), signals.of_embedding(b, logit_scale)
    )
    assert found == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("bad", [[0.0, 0.0], [math.nan, 1.0]])
def test_an_embedding_that_cannot_be_one_has_no_signal(bad: list[float]) -> None:
    with pytest.raises(EmbeddingError):
        signals.of_embedding(bad, 20.0)
