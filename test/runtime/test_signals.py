# SPDX-License-Identifier: Apache-2.0
"""Signals against the distances that they stand for, and which one is chosen by name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vljepa_ros.runtime import signals
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import ANSWERS, EMBEDDING, choose_signal
from vljepa_ros.stream.vectors import EmbeddingError

BANK = PhraseBank({"a": ["one", "two"], "b": ["three"]}, np.eye(4)[:3], logit_scale=5.0)
VECTOR = np.array([0.6, 0.8, 0.0, 0.0], dtype=np.float32)


def half_squared(a: object, b: object) -> float:
    difference = np.subtract(a, b)
    return 0.5 * float(difference @ difference)


def test_answers_are_as_far_apart_as_hellinger_says() -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    by_hand = 1 - sum(math.sqrt(a * b) for a, b in zip(p, q, strict=True))
    found = half_squared(signals.answer_signal(p), signals.answer_signal(q))
    assert found == pytest.approx(by_hand)
    assert half_squared(signals.answer_signal(p), signals.answer_signal(p)) == 0


def test_answers_that_exclude_each_other_are_wholly_different() -> None:
    found = half_squared(signals.answer_signal([1.0, 0.0]), signals.answer_signal([0.0, 1.0]))
    assert found == pytest.approx(1.0)


@pytest.mark.parametrize("logit_scale", [10.0, 100.0])
def test_embeddings_are_wholly_different_if_a_logit_moves_by_a_step(logit_scale: float) -> None:
    cosine = 1 - signals.LOGIT_STEP / logit_scale
    a, b = np.array([3.0, 0.0]), np.array([cosine, math.sqrt(1 - cosine**2)])
    found = half_squared(
        signals.embedding_signal(a, logit_scale), signals.embedding_signal(b, logit_scale)
    )
    assert found == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("bad", [[0.0, 0.0], [math.nan, 1.0]])
def test_an_embedding_that_cannot_be_one_has_no_signal(bad: list[float]) -> None:
    with pytest.raises(EmbeddingError):
        signals.embedding_signal(bad, 20.0)


def test_answers_compares_the_query_s_own_phrases() -> None:
    signal = choose_signal(ANSWERS, BANK)("a", VECTOR)
    weights = np.exp(5.0 * np.array([0.6, 0.8]))
    np.testing.assert_allclose(signal, np.sqrt(weights / weights.sum()), rtol=1e-6)


def test_a_query_without_phrases_is_compared_by_its_embeddings() -> None:
    signal = choose_signal(ANSWERS, BANK)("unknown", VECTOR)
    np.testing.assert_array_equal(signal, signals.embedding_signal(VECTOR, 5.0))


def test_what_no_phrase_tells_apart_is_one_answer_but_two_embeddings() -> None:
    other = np.array([0.6, 0.8, 0.0, 1.0], dtype=np.float32) / np.sqrt(np.float32(2))
    by_answers = choose_signal(ANSWERS, BANK)
    assert np.linalg.norm(by_answers("a", VECTOR) - by_answers("a", other)) < 0.1
    by_embedding = choose_signal(EMBEDDING, BANK)
    np.testing.assert_allclose(by_embedding("a", VECTOR), signals.embedding_signal(VECTOR, 5.0))
    assert np.linalg.norm(by_embedding("a", VECTOR) - by_embedding("a", other)) > 1.0


def test_other_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'words'.*answers, embedding"):
        choose_signal("words", BANK)
