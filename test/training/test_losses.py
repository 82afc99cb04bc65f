# SPDX-License-Identifier: Apache-2.0
"""InfoNCE against its definition, written with plain loops."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")

from vljepa_ros.training.losses import info_nce  # noqa: E402


def definition(predicted, candidates, targets, scale):
    """Average -log of the right share over predictions, and over the labels shown."""
    score = [[math.exp(scale * float(p @ c)) for c in candidates] for p in predicted]
    to_text = [-math.log(row[t] / sum(row)) for row, t in zip(score, targets, strict=True)]
    to_video = []
    for label in sorted(set(targets)):
        column = [row[label] for row in score]
        right = sum(s for s, t in zip(column, targets, strict=True) if t == label)
        to_video.append(-math.log(right / sum(column)))
    return (sum(to_text) / len(to_text) + sum(to_video) / len(to_video)) / 2


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def test_equals_the_definition():
    torch.manual_seed(0)
    predicted, candidates, targets = unit(6, 4), unit(5, 4), [0, 3, 3, 3, 1, 0]
    found = info_nce(predicted, candidates, torch.tensor(targets), torch.tensor(7.0))
    expected = definition(predicted, candidates, targets, 7.0)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_right_predictions_cost_less_than_wrong_ones():
    texts = torch.eye(4)
    targets = torch.tensor([0, 1, 2])
    right = info_nce(texts[:3], texts, targets, torch.tensor(10.0))
    wrong = info_nce(texts[1:], texts, targets, torch.tensor(10.0))
    assert right < 0.01 < 5 < wrong
