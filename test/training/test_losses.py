# SPDX-License-Identifier: Apache-2.0
"""The losses against their definitions, written with plain loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")

from vljepa_ros.training.losses import (  # noqa: E402
    epps_pulley,
    info_nce,
    regularised_prediction,
    sigreg,
)


def definition(predicted, candidates, targets, scale, groups):
    """Average -log of the right share over predictions, and over the labels shown."""
    score = [[math.exp(scale * float(p @ c)) for c in candidates] for p in predicted]
    to_text = []
    for row, target in zip(score, targets, strict=True):
        among = [s for s, group in zip(row, groups, strict=True) if group == groups[target]]
        to_text.append(-math.log(row[target] / sum(among)))
    to_video = []
    for label in sorted(set(targets)):
        column = [(row[label], t) for row, t in zip(score, targets, strict=True)]
        among = [s for s, t in column if groups[t] == groups[label]]
        right = [s for s, t in column if t == label]
        to_video.append(-math.log(sum(right) / sum(among)))
    return (sum(to_text) / len(to_text) + sum(to_video) / len(to_video)) / 2


def epps_pulley_closed_form(x):
    """Return N * integral of |phi_N(t) - exp(-t^2/2)|^2 exp(-t^2/2) over all t, in pairs."""
    n = len(x)
    pairs = np.exp(-((x[:, None] - x[None, :]) ** 2) / 2).sum() / n
    alone = math.sqrt(2) * np.exp(-(x**2) / 4).sum()
    return math.sqrt(2 * math.pi) * (pairs - alone + n / math.sqrt(3))


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 0]])
def test_info_nce_equals_the_definition(groups):
    torch.manual_seed(0)
    predicted, candidates, targets = unit(6, 4), unit(5, 4), [0, 3, 3, 3, 1, 0]
    given = None if groups is None else torch.tensor(groups)
    found = info_nce(predicted, candidates, torch.tensor(targets), torch.tensor(7.0), given)
    expected = definition(predicted, candidates, targets, 7.0, groups or [0] * 5)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_right_predictions_cost_less_than_wrong_ones():
    texts = torch.eye(4)
    targets = torch.tensor([0, 1, 2])
    right = info_nce(texts[:3], texts, targets, torch.tensor(10.0))
    wrong = info_nce(texts[1:], texts, targets, torch.tensor(10.0))
    assert right < 0.01 < 5 < wrong


@pytest.mark.parametrize("loss", ["info_nce", "sigreg"])
def test_a_target_of_minus_one_is_no_prediction(loss):
    torch.manual_seed(0)
    predicted, candidates = unit(5, 4), unit(3, 4)
    targets = torch.tensor([0, -1, 2, -1, 1])

    def value(rows):
        if loss == "info_nce":
            return info_nce(predicted[rows], candidates, targets[rows], torch.tensor(5.0))
        return regularised_prediction(
            predicted[rows],
            candidates,
            targets[rows],
            predicted_weight=0.1,
            text_weight=0.1,
            seed=0,
        )

    torch.testing.assert_close(value(torch.arange(5)), value(torch.tensor([0, 2, 4])))


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_epps_pulley_equals_the_closed_form(shift):
    x = np.random.default_rng(0).normal(shift, 1.2, (40, 3))
    found = epps_pulley(torch.from_numpy(x))
    expected = [epps_pulley_closed_form(column) for column in x.T]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_sigreg_is_small_for_gaussian_and_large_for_collapsed_samples():
    torch.manual_seed(0)
    gaussian = torch.randn(300, 64)
    sphere = unit(300, 64) * 8  # as close as unit vectors come: normal along every direction
    point = unit(1, 64).expand(300, -1) * 8
    line = gaussian * (torch.arange(64) < 2) * 32**0.5
    assert sigreg(gaussian, 0) < 1.5
    assert sigreg(sphere, 0) < 1.5
    assert sigreg(point, 0) > 50
    assert sigreg(line, 0) > 5


def test_sigreg_draws_its_directions_from_the_seed():
    torch.manual_seed(0)
    samples = torch.rand(50, 8)
    assert sigreg(samples, 3) == sigreg(samples, 3) != sigreg(samples, 4)


def test_regularised_prediction_adds_its_parts_and_leaves_the_texts_of_the_prediction_alone():
    torch.manual_seed(0)
    predicted, candidates, targets = unit(6, 8), unit(4, 8), torch.tensor([0, 1, 2, 3, 0, 1])
    candidates.requires_grad_()

    def value(predicted_weight, text_weight):
        return regularised_prediction(
            predicted,
            candidates,
            targets,
            predicted_weight=predicted_weight,
            text_weight=text_weight,
            seed=5,
        )

    squares = [
        float((p - candidates[t]).detach().square().sum())
        for p, t in zip(predicted, targets, strict=True)
    ]
    regular = [float(sigreg(x.detach() * 8**0.5, 5)) for x in (predicted, candidates)]
    expected = 0.7 * np.mean(squares) + 0.1 * regular[0] + 0.2 * regular[1]
    assert float(value(0.1, 0.2).detach()) == pytest.approx(expected, rel=1e-5)
    assert not torch.autograd.grad(value(0.0, 0.0), candidates)[0].any()
    assert torch.autograd.grad(value(0.0, 0.2), candidates)[0].any()
