# SPDX-License-Identifier: Apache-2.0
"""Token states and sentences of many texts, through the frozen tower of a Y-Encoder.

A tower that does not train gives the same states for ever, so they are computed once. It runs on
texts of one length at a time, without padding, as robots do: padding changes the last digits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.y_encoder import YEncoder
from vljepa_ros.runtime.tokenizer import TextTokenizer

BATCH = 64  # texts at once


class FrozenText:
    """Token states and sentences of texts."""

    def __init__(self, y_encoder: YEncoder, tokenizer: Path, max_query_tokens: int) -> None:
        self._y_encoder = y_encoder.eval()
        longest = y_encoder.config.max_tokens
        self._tokenizer = TextTokenizer(tokenizer.read_bytes(), longest)  # as robots do it
        self._length = max_query_tokens
        self.states = cache(self._states)

    def _states(self, text: str) -> Tensor:
        """Return the token states (L, width)."""
        return self._batch_states([self._tokenizer.of(text)])[0]

    @torch.no_grad()
    def _batch_states(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the token states (B, L, width) of texts of one length."""
        tokens = torch.tensor(ids)
        return self._y_encoder.states(tokens, torch.ones_like(tokens, dtype=torch.bool))

    def sentences(self, texts: Iterable[str]) -> dict[str, Tensor]:
        """Return the mean token states (width,) of many texts, with a progress bar."""
        same_length = defaultdict(list)
        for text in sorted(set(texts)):
            same_length[len(self._tokenizer.of(text))].append(text)
        parts = [
            same[first : first + BATCH]
            for same in same_length.values()
            for first in range(0, len(same), BATCH)
        ]
        found: dict[str, Tensor] = {}
        for part in tqdm(parts, "texts", unit="batch"):
            states = self._batch_states([self._tokenizer.of(text) for text in part])
            found.update(zip(part, states.mean(1), strict=True))
        return found

    def unit_sentences(self, texts: Sequence[str]) -> Tensor:
        """Return the unit mean token states (N, width) of texts, in their order."""
        vectors = self.sentences(texts)
        return normalize(torch.stack([vectors[text] for text in texts]), dim=-1)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the same as an array."""
        return self.unit_sentences(texts).numpy()

    def query(self, text: str) -> Tokens:
        """Return token states (max_query_tokens, width), zero padded, and their mask."""
        states = self.states(text)[: self._length]
        padded = states.new_zeros(self._length, states.shape[1])
        padded[: len(states)] = states
        return Tokens(padded, torch.arange(self._length) < len(states))

    def queries(self, texts: Sequence[str]) -> Tokens:
        """Return the token states (Q, max_query_tokens, width) of queries, and their masks."""
        return Tokens(*(torch.stack(part) for part in zip(*map(self.query, texts), strict=True)))
