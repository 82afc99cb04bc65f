# SPDX-License-Identifier: Apache-2.0
"""Ranking metrics, against those of scikit-learn that are the same."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.evaluation.ranks import hit_rate, majority, mean_per_class, rank_of


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return scores (60, 7) in which the true class is a little higher, and the classes (60)."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(7), rng.choice(7, 53, p=[0.4, *[0.1] * 6])])
    scores = rng.normal(size=(60, 7))
    scores[np.arange(60), truth] += 0.8
    return scores, truth


def ranks(scores: np.ndarray, truth: np.ndarray) -> list[int]:
    return [rank_of(row, np.arange(7) == one) for row, one in zip(scores, truth, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_hit_rates_equal_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, truth = drawn(seed)
    found = ranks(scores, truth)
    for top in (1, 2, 5):
        assert hit_rate(found, top) == pytest.approx(
            metrics.top_k_accuracy_score(truth, scores, k=top)
        )
    assert 0.2 < hit_rate(found, 1) < 0.9


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_per_class_is_scikit_learns_balanced_accuracy(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores, truth = drawn(seed)
    expected = metrics.balanced_accuracy_score(truth, scores.argmax(axis=1))
    hits = np.equal(ranks(scores, truth), 1)
    assert mean_per_class(hits, truth) == pytest.approx(expected)
    assert abs(expected - hits.mean()) > 1e-3


def test_equal_scores_count_against_the_model() -> None:
    assert rank_of([0.5, 0.5, 0.5], [True, False, False]) == 3
    assert rank_of([0.5, 0.6, 0.1], [True, False, False]) == 2


def test_the_best_of_several_right_candidates_counts() -> None:
    assert rank_of([0.1, 0.9, 0.5, 0.2], [True, False, True, False]) == 2
    assert rank_of([0.3, 0.3], [True, True]) == 1


def test_the_majority_is_the_share_of_the_most_frequent_label() -> None:
    assert majority(["a", "b", "a", "c"]) == 0.5
