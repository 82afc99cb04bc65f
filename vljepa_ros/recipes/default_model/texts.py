# SPDX-License-Identifier: Apache-2.0
"""Token states and sentences of many texts, through the frozen tower of a Y-Encoder.

A tower that does not train gives the same states for ever, so they are computed once. It runs on
one text at a time as robots do: padding changes the last digits.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.y_encoder import YEncoder
from vljepa_ros.runtime.tokenizer import TextTokenizer


class FrozenText:
    """Token states and sentences of texts."""

    def __init__(self, y_encoder: YEncoder, tokenizer: Path, max_query_tokens: int) -> None:
        self._y_encoder = y_encoder.eval()
        longest = y_encoder.config.max_tokens
        self._tokenizer = TextTokenizer(tokenizer.read_bytes(), longest)  # as robots do it
        self._length = max_query_tokens
        self.states = cache(self._states)

    @torch.no_grad()
    def _states(self, text: str) -> Tensor:
        """Return the token states (L, width)."""
        ids = torch.tensor([self._tokenizer.of(text)])
        return self._y_encoder.states(ids, torch.ones_like(ids, dtype=torch.bool))[0]

    def sentence(self, text: str) -> Tensor:
        """Return the mean token state (width,)."""
        return self.states(text).mean(0)

    def sentences(self, texts: Iterable[str]) -> dict[str, Tensor]:
        """Return the mean token states of many texts, with a progress bar."""
        return {text: self.sentence(text) for text in tqdm(sorted(set(texts)), "texts")}

    def query(self, text: str) -> Tokens:
        """Return token states (max_query_tokens, width), zero padded, and their mask."""
        states = self.states(text)[: self._length]
        padded = states.new_zeros(self._length, states.shape[1])
        padded[: len(states)] = states
        return Tokens(padded, torch.arange(self._length) < len(states))
