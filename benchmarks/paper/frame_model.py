# SPDX-License-Identifier: Apache-2.0
"""The CLIP-like twin: frames one by one, no motion, no question; their embeddings are averaged."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn
from torch.nn.functional import normalize

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.x_encoder import TokenMask

FRAMES = 4  # of a clip, spread over the same time


class FrameModel(VLJepaModel):
    """A model that sees single frames; X-Encoder and Predictor give it their depth."""

    def __init__(self, config: ModelConfig) -> None:
        """Make the layers."""
        super().__init__(config)
        self.predictor = nn.Linear(config.x_encoder.width, config.embedding)

    def forward(
        self,
        visual: Tensor,
        queries: Tokens,
        texts: Tensor,
        token_mask: TokenMask | None = None,
        times: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return embeddings of clips (B, 1, D) and texts (C, D), and the inverse temperature."""
        seen = self._seen(visual, token_mask)
        return seen[:, None], self.y_encoder.project(texts), self.scale

    def embed(self, clip: Tensor, queries: Tokens) -> Tensor:
        """Return the embeddings (B, 1, D) of clips, whatever is asked."""
        return self._seen(clip, None)[:, None]

    def _seen(self, visual: Tensor, token_mask: TokenMask | None) -> Tensor:
        count = visual.shape[1]
        if token_mask is not None:
            ids = token_mask.ids_keep.repeat_interleave(count, 0)
            token_mask = TokenMask(ids, token_mask.total)
        tokens = self.x_encoder(visual.flatten(0, 1)[:, None], token_mask)
        of_frames = normalize(self.predictor(tokens.mean(1)), dim=-1)
        return normalize(of_frames.unflatten(0, (-1, count)).mean(1), dim=-1)


def frame_config(config: ModelConfig) -> ModelConfig:
    """Return the configuration of the twin of a model, with about as many parameters."""
    x = config.x_encoder
    return replace(
        config,
        clip_frames=FRAMES,
        clip_rate_hz=config.clip_rate_hz * FRAMES / config.clip_frames,
        x_encoder=replace(x, tubelet=1, motion=False, depth=x.depth + config.predictor.depth),
    )
