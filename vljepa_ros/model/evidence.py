# SPDX-License-Identifier: Apache-2.0
"""A linear reading of some frames beside the transformer: what few examples can teach.

A transformer that learns from a handful of recordings learns them by heart; a linear map, which is
found in closed form, does not. What it finds are a few numbers, one for each text that was taught.
They go with the visual tokens to the Predictor, which turns those of the query that is asked into
a step in the embedding space and adds its own answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from vljepa_ros.model.config import ModelConfig, XEncoderConfig


def pooled(frame: Tensor, patch: int) -> Tensor:
    """Return the means of the patches of frames (B, C, H, W), (B, C * patches)."""
    b, c, h, w = frame.shape
    return frame.reshape(b, c, h // patch, patch, w // patch, patch).mean((3, 5)).flatten(1)


class FrameEvidence(nn.Module):
    """The newest frame and older ones to the evidence of each text (B, 1, width).

    There are zeros behind it. Older frames are those of ``evidence_lags``.
    """

    def __init__(self, config: XEncoderConfig) -> None:
        super().__init__()
        self.patch, self.width = config.patch, config.width
        self.lags = (*reversed(config.evidence_lags), 0)
        values = len(self.lags) * config.channels * config.frame_patches
        self.read = nn.Linear(values, config.evidence)

    def forward(self, clip: Tensor) -> Tensor:
        """Read frames (B, T, C, H, W) that follow each other and reach back far enough."""
        return self.of([clip[:, -1 - lag] for lag in self.lags])

    def of(self, frames: Sequence[Tensor]) -> Tensor:
        """Read the frames (B, C, H, W) of each of :attr:`lags`."""
        found = self.read(torch.cat([pooled(frame, self.patch) for frame in frames], 1))
        return pad(found, (0, self.width - found.shape[-1]))[:, None]


class EvidenceAnswer(nn.Module):
    """Adds what the evidence says to an answer about it.

    A query takes the evidence of its own texts only: ``choose`` is 1 for them and 0 for those of
    other taught queries, and linear in between.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.count = config.x_encoder.evidence
        self.choose = nn.Linear(config.predictor.query_width, self.count)
        self.step = nn.Linear(self.count, config.embedding, bias=False)

    def forward(self, answer: Tensor, evidence: Tensor, query: Tensor, mask: Tensor) -> Tensor:
        """Return answers (B, Q, embedding), not normalised.

        Args:
            answer: of the transformer (B, Q, embedding).
            evidence: the last visual token (B, width).
            query: tokens of the queries (1 or B, Q, L, query width).
            mask: True on real ones (B, Q, L).
        """
        weight = mask.to(query.dtype)[..., None]
        asked = (query * weight).sum(-2) / weight.sum(-2)
        chosen = self.choose(asked).clamp(0, 1) * evidence[:, None, : self.count]
        return normalize(answer, dim=-1) + self.step(chosen)
