# SPDX-License-Identifier: Apache-2.0
"""Bi-directional InfoNCE over unique candidate texts (paper section 2).

Plain in-batch InfoNCE counts a frequent answer as its own negative many times over and so learns
to suppress it. Here every label is a candidate exactly once, whether the batch shows it or not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def info_nce(predicted: Tensor, candidates: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Return the mean of both directions' losses.

    :param predicted: unit embeddings (P, D).
    :param candidates: unit embeddings (C, D), one text per label.
    :param targets: candidate of each prediction (P,).
    :param scale: inverse temperature.
    """
    logits = scale * predicted @ candidates.T
    to_text = cross_entropy(logits, targets)
    shown = targets.unique()
    positive = targets[None, :] == shown[:, None]
    log_share = logits[:, shown].T.log_softmax(-1)
    to_video = -(log_share.masked_fill(~positive, -torch.inf)).logsumexp(-1).mean()
    return (to_text + to_video) / 2
