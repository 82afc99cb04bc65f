# SPDX-License-Identifier: Apache-2.0
"""Predictor: visual tokens and text queries -> embeddings of the answers (paper section 3.1).

The paper's is bidirectional: visual and query tokens of one sequence all see each other. If
``joint`` is off, visual tokens do not look at the queries, so that all queries about a clip share
one pass of them; a query's tokens see the visual tokens and themselves.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.evidence import EvidenceAnswer
from vljepa_ros.model.layers import Attention, Block, GatedMlp, RmsNorm
from vljepa_ros.model.rotary import Rotary, sequence_tables
from vljepa_ros.model.x_encoder import TokenMask


class Predictor(nn.Module):
    """(B, N, visual), (B, Q, L, query width), (B, Q, L) -> unit embeddings (B, Q, embedding).

    Queries that are the same for all clips may come once, as (1, Q, L, query width).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = self.config = config.predictor
        self.visual_in = nn.Linear(config.x_encoder.width, c.width)
        self.query_in = nn.Linear(c.query_width, c.width) if c.query_projection else nn.Identity()
        norm = partial(RmsNorm, c.width, eps=c.norm_eps)
        self.blocks = nn.ModuleList(
            Block(
                norm,
                Attention(c.width, c.heads, c.kv_heads, bias=False),
                GatedMlp(c.width, c.mlp),
            )
            for _ in range(c.depth)
        )
        self.norm = norm()
        self.out = nn.Linear(c.width, config.embedding)
        self.takes_evidence = config.x_encoder.evidence > 0
        if self.takes_evidence:
            self.evidence = EvidenceAnswer(config)

    def forward(
        self,
        visual: Tensor,
        query_tokens: Tensor,
        query_mask: Tensor,
        token_mask: TokenMask | None = None,
    ) -> Tensor:
        """Predict the answer embedding of every query.

        ``query_mask`` is True on real tokens. Visual tokens that were dropped leave
        their positions empty: the others and the query keep theirs.
        """
        tokens = visual.shape[1] - self.takes_evidence
        count = tokens if token_mask is None else token_mask.total
        rotary = self.rotary(count + query_tokens.shape[2], visual.device)
        seen, asked = rotary.part(0, count), rotary.part(count, count + query_tokens.shape[2])
        if token_mask is not None:
            seen = seen.rows(token_mask.ids_keep)
        return self.predict(visual, query_tokens, query_mask, seen, asked)

    def rotary(self, tokens: int, device: torch.device) -> Rotary:
        """Return the tables of a sequence; visual tokens come first, the query after them."""
        tables = sequence_tables(self.config, tokens)
        return Rotary(*(torch.from_numpy(t).to(device) for t in tables))

    def predict(
        self, visual: Tensor, query_tokens: Tensor, mask: Tensor, seen: Rotary, asked: Rotary
    ) -> Tensor:
        """Do what :meth:`forward` does, with the rotary tables of both kinds of tokens."""
        run = self._joint if self.config.joint else self._shared
        if self.takes_evidence:
            visual, evidence = visual[:, :-1], visual[:, -1]
        clips = visual.shape[0]
        query, real = query_tokens, mask.expand(clips, -1, -1)
        if self.config.pool_query:
            query, real = _mean_token(query, mask), real[..., :1]
            asked = asked.part(0, 1)
        query = self.query_in(query).expand(clips, -1, -1, -1)
        x, q = run(self.visual_in(visual), query, real, seen, asked)
        weight = real.to(q.dtype)[..., None]
        total, count = (self.norm(q) * weight).sum(-2), weight.sum(-2)
        if self.config.pool_visual:
            total, count = total + self.norm(x).sum(-2), count + x.shape[-2]
        answer = self.out(total / count)
        if self.takes_evidence:
            answer = self.evidence(answer, evidence, query_tokens, mask.expand(clips, -1, -1))
        return normalize(answer, dim=-1)

    def _joint(
        self, visual: Tensor, query: Tensor, mask: Tensor, seen: Rotary, asked: Rotary
    ) -> tuple[Tensor, Tensor]:
        """Run one sequence per query, in which every token sees every other."""
        batch, queries, length, _ = query.shape
        n = visual.shape[1]
        visual = visual[:, None].expand(-1, queries, -1, -1)
        x = torch.cat([visual, query], 2).flatten(0, 1)
        real = torch.cat([mask.new_ones(batch, queries, n), mask], 2).flatten(0, 1)
        rotary = _joined(seen, asked, queries)
        for block in self.blocks:
            x = block(x, rotary, real)
        x = x.unflatten(0, (batch, queries))
        return x[:, :, :n], x[:, :, n:]

    def _shared(
        self, visual: Tensor, query: Tensor, mask: Tensor, seen: Rotary, asked: Rotary
    ) -> tuple[Tensor, Tensor]:
        """Run the visual tokens once, and each query against their keys and values."""
        batch, queries, length, _ = query.shape
        q = query.flatten(0, 1)
        real = torch.cat([mask.new_ones(batch, queries, visual.shape[1]), mask], 2).flatten(0, 1)
        for block in self.blocks:
            own = block.project(visual, seen)
            ask, *offer = block.project(q, asked)
            context = (t[:, None].expand(-1, queries, -1, -1, -1).flatten(0, 1) for t in own[1:])
            keys, values = (torch.cat(pair, 2) for pair in zip(context, offer, strict=True))
            q = block.mix(q, ask, keys, values, real)
            if block is not self.blocks[-1]:  # nothing reads the visual tokens after the last
                visual = block.mix(visual, *own)
        return visual, q.unflatten(0, (batch, queries))


def _mean_token(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean (..., 1, width) of the real ones of tokens (..., L, width)."""
    weight = mask.to(tokens.dtype)[..., None]
    return (tokens * weight).sum(-2, keepdim=True) / weight.sum(-2, keepdim=True)


def _joined(seen: Rotary, asked: Rotary, queries: int) -> Rotary:
    """Join the tables of visual and query tokens, per clip and query if tokens were dropped."""
    if seen.cos.ndim == asked.cos.ndim:
        return Rotary(*(torch.cat(pair) for pair in zip(seen, asked, strict=True)))
    batch = seen.cos.shape[0]
    parts = (
        torch.cat([s, a.expand(batch, 1, -1, -1)], 2).repeat_interleave(queries, 0)
        for s, a in zip(seen, asked, strict=True)
    )
    return Rotary(*parts)
