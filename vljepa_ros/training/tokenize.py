# SPDX-License-Identifier: Apache-2.0
"""Texts to token numbers, with the tokenizers of a model directory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from vljepa_ros.model.vljepa import Tokens


class Tokenize:
    """Texts to :class:`Tokens` (C, L), padded to the longest and cut off at ``longest``."""

    def __init__(self, file: Path, longest: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.enable_truncation(longest)
        self._tokenizer.no_padding()

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise texts; padding is token 0, and the mask is False there."""
        encoded = [one.ids for one in self._tokenizer.encode_batch(list(texts))]
        length = max(map(len, encoded))
        ids = torch.zeros(len(encoded), length, dtype=torch.long)
        mask = torch.zeros(len(encoded), length, dtype=torch.bool)
        for row, numbers in enumerate(encoded):
            ids[row, : len(numbers)] = torch.tensor(numbers)
            mask[row, : len(numbers)] = True
        return Tokens(ids, mask)
