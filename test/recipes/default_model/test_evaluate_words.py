# SPDX-License-Identifier: Apache-2.0
"""The figures of the text side, with embeddings that are made up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("cv2", reason="episodes are stored as JPEG")

from vljepa_ros.recipes.default_model.evaluate_words import (
    KINDS,
    combinations_table,
    nearest,
    rank,
)
from vljepa_ros.recipes.default_model.simulation import language

LABELS = ("approach:the cup", "retreat:the cup", "grasp:the lid", "rest:")


def embed(texts: Sequence[str]) -> np.ndarray:
    """Count some words: one number for each thing, and one for each predicate."""
    groups = {"cup": 0, "lid": 1, "makes": 2, "closes the": 2, "moves toward": 2}
    groups |= {"recedes": 3, "distances": 3, "moves away": 3, "clutches": 4, "clamps": 4}
    groups |= {"closes on": 4, "inactive": 5, "freezes": 5, "not moving": 5}
    vectors = np.zeros((len(texts), 6), np.float32)
    for row, text in enumerate(texts):
        for word, column in groups.items():
            vectors[row, column] += word in text
    return vectors


def test_a_wording_counts_if_its_own_label_is_nearest() -> None:
    assert nearest(embed, LABELS, language.validation_paraphrases) == 1.0
    wrong = {"approach:the cup": ["the robot recedes from the cup"]}
    found = nearest(embed, LABELS[:2], lambda label: wrong.get(label, ["moves away, cup"]))
    assert found == 0.5


def test_ranks_begin_with_one() -> None:
    scores = np.array([0.2, 0.9, 0.5])
    assert [rank(scores, i) for i in range(3)] == [3, 1, 2]


def test_what_no_label_means_is_ranked_among_its_likes() -> None:
    known = (*(f"{kind}:the cup" for kind in KINDS), "approach:the lid", "retreat:the lid")
    table = combinations_table(embed, known).splitlines()
    assert table[0].startswith(f"{len(KINDS) - 2} new combinations")
    assert table[1].split()[:2] == ["predicate", str(len(KINDS))]
    assert table[2].split()[:3] == ["thing", "2", "100.0%"]
