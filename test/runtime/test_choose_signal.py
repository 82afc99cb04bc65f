# SPDX-License-Identifier: Apache-2.0
"""Which signal compares embeddings, by name."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.runtime.choose_signal import ANSWERS, EMBEDDING, choose_signal
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream import signals

BANK = PhraseBank({"a": ["one", "two"], "b": ["three"]}, np.eye(4)[:3], logit_scale=5.0)
VECTOR = np.array([0.6, 0.8, 0.0, 0.0], dtype=np.float32)


def test_answers_compares_the_query_s_own_phrases() -> None:
    signal = choose_signal(ANSWERS, BANK)("a", VECTOR)
    weights = np.exp(5.0 * np.array([0.6, 0.8]))
    np.testing.assert_allclose(signal, np.sqrt(weights / weights.sum()), rtol=1e-6)
    assert choose_signal(ANSWERS, BANK)("unknown", VECTOR).shape == (3,)


def test_what_no_phrase_tells_apart_is_one_answer_but_two_embeddings() -> None:
    other = np.array([0.6, 0.8, 0.0, 1.0], dtype=np.float32) / np.sqrt(np.float32(2))
    by_answers = choose_signal(ANSWERS, BANK)
    assert np.linalg.norm(by_answers("a", VECTOR) - by_answers("a", other)) < 0.1
    by_embedding = choose_signal(EMBEDDING, BANK)
    np.testing.assert_allclose(by_embedding("a", VECTOR), signals.of_embedding(VECTOR, 5.0))
    assert np.linalg.norm(by_embedding("a", VECTOR) - by_embedding("a", other)) > 1.0


def test_other_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'words'.*answers, embedding"):
        choose_signal("words", BANK)
