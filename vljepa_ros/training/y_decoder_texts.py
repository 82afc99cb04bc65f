# SPDX-License-Identifier: Apache-2.0
"""What a Y-Decoder learns of texts alone: the model's own embeddings of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import trange

from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.training.tokenize import Tokenize

_BATCH = 64


def read_sentences(file: Path) -> list[str]:
    """Return the lines of a text file that hold something, each once, in order.

    Raises:
        ValueError: there is none.
        OSError: the file cannot be read.
    """
    lines = (" ".join(line.split()) for line in file.read_text(encoding="utf-8").splitlines())
    sentences = list(dict.fromkeys(filter(None, lines)))
    if not sentences:
        raise ValueError(f"{file} holds no sentence: one per line is expected")
    return sentences


@torch.no_grad()
def embed_sentences(model: VLJepaModel, tokenizer: Path, sentences: Sequence[str]) -> Tensor:
    """Return the unit embeddings (N, D) of sentences, in their order."""
    tokenize = Tokenize(tokenizer, model.config.y_encoder.max_tokens)
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number]))
    embeddings = torch.empty(len(sentences), model.config.embedding)
    for start in trange(0, len(order), _BATCH, desc="texts", unit="batch"):
        rows = order[start : start + _BATCH]
        embeddings[rows] = model.embed_text(tokenize([sentences[row] for row in rows]))
    return embeddings
