# SPDX-License-Identifier: Apache-2.0
"""A whole VL-JEPA: X-Encoder, Predictor, Y-Encoder and what turns a query into tokens.

The Y-Decoder is not in here: it reads embeddings and takes no part in the training (paper
section 2). It is the phrase bank of :mod:`vljepa_ros.runtime.phrases`, for every size, or what
:mod:`.y_decoder` is trained to say afterwards.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vljepa_ros.model.causal_x_encoder import CausalXEncoder, StreamTubelets
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.predictor import Predictor
from vljepa_ros.model.x_encoder import TokenMask, XEncoder
from vljepa_ros.model.y_encoder import YEncoder

FIRST_TEMPERATURE = 0.07  # not in the paper; what its reimplementations take
MAX_SCALE = 100.0  # as in CLIP


class Tokens(NamedTuple):
    """Padded texts: token numbers (..., L), or token states (..., L, width), and their mask."""

    values: Tensor
    mask: Tensor


class VLJepaModel(nn.Module):
    """The parts behind one interface; :class:`ModelConfig` says how large they are."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        x = config.x_encoder
        self.x_encoder = CausalXEncoder(x, config.clip_frames) if x.memory else XEncoder(x)
        self.predictor = Predictor(config)
        self.y_encoder = YEncoder(config.y_encoder, config.embedding)
        if config.queries_from == "table":
            table = nn.Embedding(config.query_vocabulary, config.predictor.query_width)
            self.query_table = table.requires_grad_(False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / FIRST_TEMPERATURE)))

    def forward(
        self,
        visual: Tensor,
        queries: Tokens,
        texts: Tokens | Tensor,
        token_mask: TokenMask | None = None,
        streams: StreamTubelets | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Do what training needs, in one call, as DistributedDataParallel wants it.

        Args:
            visual: clips (B, T, C, H, W), or their visual tokens (B, N, width) from a cache.
            queries: tokens of Q queries about each clip, (B, Q, L) or (B, Q, L, width).
            texts: candidate answers: token numbers (C, L), or cached sentences (C, width).
            token_mask: the visual tokens that are used, if some are dropped; None uses all.
            streams: how the frames of streams follow each other, if the X-Encoder has a memory.
                Every asked frame counts as a clip of its own: there are B * K of them.

        Returns:
            Unit embeddings of the predictions (B, Q, embedding) and of the candidates
            (C, embedding), and the inverse temperature.
        """
        if streams is not None:
            visual = self.x_encoder.every_tubelet(visual, streams).flatten(0, 1)
        tokens = self.x_encoder(visual, token_mask) if visual.ndim == 5 else visual
        predicted = self.predictor(tokens, self.query_tokens(queries), queries.mask, token_mask)
        if isinstance(texts, Tokens):
            answers = self.y_encoder(texts.values, texts.mask)
        else:
            answers = self.y_encoder.project(texts)
        return predicted, answers, self.scale

    def query_tokens(self, queries: Tokens) -> Tensor:
        """Return what the Predictor reads for queries: token states (B, Q, L, width)."""
        if queries.values.is_floating_point():
            return queries.values
        if self.config.queries_from == "table":
            return self.query_table(queries.values)
        ids, mask = (t.flatten(0, 1) for t in queries)
        return self.y_encoder.states(ids, mask).unflatten(0, queries.mask.shape[:2])

    def embed(self, clip: Tensor, queries: Tokens) -> Tensor:
        """Return the unit embeddings (B, Q, embedding) of the answers about clips."""
        tokens = self.x_encoder(clip)
        return self.predictor(tokens, self.query_tokens(queries), queries.mask)

    def embed_text(self, texts: Tokens) -> Tensor:
        """Return the unit embeddings (C, embedding) of texts."""
        return self.y_encoder(texts.values, texts.mask)

    @property
    def scale(self) -> Tensor:
        """The learned inverse temperature."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)
