# SPDX-License-Identifier: Apache-2.0
"""Losses: InfoNCE (paper section 2), or a prediction loss with SIGReg against collapse.

Plain in-batch InfoNCE counts a frequent answer as its own negative many times over and so learns
to suppress it. Here every label is a candidate exactly once, whether the batch shows it or not.

The alternative, after LeJEPA (arXiv 2511.08544) and LeVLJEPA (arXiv 2607.00784), has no negatives
and no temperature: predictions move to the embeddings of their texts, which stand still
(stop-gradient), and SIGReg keeps both kinds of embeddings from falling into one point by holding
them to an isotropic Gaussian. The Y-Encoder then learns from SIGReg alone, so it should start from
pretrained weights.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

SLICES = 256  # random directions that SIGReg looks along
_KNOTS = 17
_REACH = 5.0  # the weight of the characteristic function beyond is below 1e-5


def info_nce(
    predicted: Tensor,
    candidates: Tensor,
    targets: Tensor,
    scale: Tensor,
    groups: Tensor | None = None,
) -> Tensor:
    """Return the mean of both directions' losses.

    Args:
        predicted: unit embeddings (P, D).
        candidates: unit embeddings (C, D), one text per label.
        targets: candidate of each prediction, int64 (P,); -1 is no prediction.
        scale: inverse temperature.
        groups: of the candidates, int64 (C,); only those of the target's group are negatives.
            None is one group.
    """
    predicted, targets = _answered(predicted, targets)
    logits = scale * predicted @ candidates.T
    if groups is not None:
        logits = logits.masked_fill(groups[targets][:, None] != groups, -torch.inf)
    to_text = cross_entropy(logits, targets)
    shown = targets.unique()
    positive = targets[None, :] == shown[:, None]
    log_share = logits[:, shown].T.log_softmax(-1)
    to_video = -(log_share.masked_fill(~positive, -torch.inf)).logsumexp(-1).mean()
    return (to_text + to_video) / 2


def regularised_prediction(
    predicted: Tensor,
    candidates: Tensor,
    targets: Tensor,
    *,
    predicted_weight: float,
    text_weight: float,
    seed: int,
) -> Tensor:
    """Return (1 - weights) * prediction loss + weights * SIGReg of predictions and of texts.

    The embeddings are unit vectors. Times sqrt(D) they can be isotropic Gaussian: a direction's
    share of a vector spread evenly on that sphere is standard normal but for an error of order
    1/D.

    Args:
        predicted: unit embeddings (P, D).
        candidates: unit embeddings (C, D), each text once.
        targets: candidate of each prediction, int64 (P,); -1 is no prediction.
        predicted_weight: weight of SIGReg on the predictions.
        text_weight: weight of SIGReg on the texts.
        seed: of the random directions; all processes must give the same.
    """
    predicted, targets = _answered(predicted, targets)
    radius = predicted.shape[-1] ** 0.5
    far = predicted - candidates.detach()[targets]
    prediction = far.square().sum(-1).mean()
    return (
        (1 - predicted_weight - text_weight) * prediction
        + predicted_weight * sigreg(predicted * radius, seed)
        + text_weight * sigreg(candidates * radius, seed)
    )


def sigreg(samples: Tensor, seed: int) -> Tensor:
    """Return how far samples (N, D) are from isotropic Gaussian: Epps and Pulley's statistic.

    It is averaged over random directions drawn from ``seed``. About 1 for Gaussian samples
    whatever their number, and growing with it for others.
    """
    random = torch.Generator().manual_seed(seed)
    directions = normalize(torch.randn(samples.shape[-1], SLICES, generator=random), dim=0)
    return epps_pulley(samples @ directions.to(samples)).mean()


def epps_pulley(samples: Tensor) -> Tensor:
    """Return Epps and Pulley's statistic of each column of (N, K) against the standard normal.

    N times the squared distance of the characteristic functions, weighted by exp(-t^2 / 2) and
    integrated over t by the trapezoidal rule; the integrand is even.
    """
    t = torch.linspace(0, _REACH, _KNOTS, device=samples.device, dtype=samples.dtype)
    gaussian = torch.exp(-(t**2) / 2)
    angles = samples[..., None] * t
    far = (angles.cos().mean(0) - gaussian).square() + angles.sin().mean(0).square()
    return 2 * len(samples) * torch.trapezoid(far * gaussian, t)


def _answered(predicted: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    asked = targets >= 0
    return predicted[asked], targets[asked]
