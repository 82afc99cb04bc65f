# SPDX-License-Identifier: Apache-2.0
"""The Y-Encoder for one unpadded text, with constant positions and without a padding mask.

transformers' towers build positions and masks of the length that comes in, which would leave
ranges, sines and comparisons in the graph. Here their layers are called with constants of the
greatest length, cut to the text's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from vljepa_ros.model.y_encoder import YEncoder


class TextGraph(nn.Module):
    """Token numbers (1, L) -> unit embedding (1, D), and token states (1, L, width) if asked for.

    The tower is left with attention that is written out, which computes the same.
    """

    def __init__(self, encoder: YEncoder, *, states: bool) -> None:
        super().__init__()
        encoder.tower.set_attn_implementation("eager")
        tower = _TOWERS[encoder.config.tower]
        self.tower = tower(encoder.tower, encoder.config.max_tokens)
        self.encoder, self.states = encoder, states

    def forward(self, ids: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Embed a text."""
        states = self.tower(ids)
        embedding = self.encoder.project(states.mean(1))
        return (embedding, states) if self.states else embedding


class _Bert(nn.Module):
    def __init__(self, tower: PreTrainedModel, length: int) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("zeros", torch.zeros(1, length, dtype=torch.int64))

    def forward(self, ids: Tensor) -> Tensor:
        kinds = self.zeros[:, : ids.shape[1]]
        x = self.tower.embeddings(input_ids=ids, token_type_ids=kinds)
        return self.tower.encoder(x, attention_mask=None).last_hidden_state


class _Gemma(nn.Module):
    def __init__(self, tower: PreTrainedModel, length: int) -> None:
        super().__init__()
        self.tower = tower
        positions = torch.arange(length)
        for kind in set(tower.config.layer_types):
            cos, sin = tower.rotary_emb(torch.zeros(1), positions[None], kind)
            self.register_buffer(f"{kind}_cos", cos)
            self.register_buffer(f"{kind}_sin", sin)
        apart = (positions[:, None] - positions).abs()
        hidden = torch.where(apart < tower.config.sliding_window, 0.0, -torch.inf)
        self.register_buffer("window", hidden[None, None] if hidden.any() else None)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        window = None if self.window is None else self.window[:, :, :length, :length]
        x = self.tower.embed_tokens(ids)
        for layer, kind in zip(self.tower.layers, self.tower.config.layer_types, strict=True):
            tables = (getattr(self, f"{kind}_{name}")[:, :length] for name in ("cos", "sin"))
            mask = window if kind == "sliding_attention" else None
            x = layer(x, attention_mask=mask, position_embeddings=tuple(tables))
        return self.tower.norm(x)


_TOWERS: dict[str, Callable[..., nn.Module]] = {"bert": _Bert, "gemma3_text": _Gemma}
