# SPDX-License-Identifier: Apache-2.0
"""A linear reading of the whole clip beside the transformer: what few examples can teach.

A transformer that learns from a handful of recordings learns them by heart; a linear map, which is
found in closed form, does not. What it finds are a few numbers, one for each text that was taught.
They go with the visual tokens to the Predictor, which turns those of the query that is asked into
a step in the embedding space and adds its own answer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from vljepa_ros.model.config import ModelConfig, XEncoderConfig


def pooled(clip: Tensor, patch: int) -> Tensor:
    """Return the means of the patches of clips (B, T, C, H, W), (B, T * C * patches)."""
    b, t, c, h, w = clip.shape
    cut = clip.reshape(b, t, c, h // patch, patch, w // patch, patch)
    return cut.mean((4, 6)).flatten(1)


class ClipEvidence(nn.Module):
    """Clips (B, T, C, H, W) to the evidence of each text (B, 1, width), zeros behind it."""

    def __init__(self, config: XEncoderConfig, frames: int) -> None:
        super().__init__()
        self.patch, self.width = config.patch, config.width
        values = frames * config.channels * (config.grid // config.patch) ** 2
        self.read = nn.Linear(values, config.evidence)

    def forward(self, clip: Tensor) -> Tensor:
        """Read clips of the one length that the map is made for."""
        found = self.read(pooled(clip, self.patch))
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
