# SPDX-License-Identifier: Apache-2.0
"""What goes into a bundle beside the graphs, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vljepa_ros.model.export.precision import LowPrecision
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_decoder import YDecoder
from vljepa_ros.runtime.tokenizer import TextTokenizer


@dataclass(frozen=True)
class Contents:
    """Texts, tokenizers and licences of a bundle, and its text decoder.

    Attributes:
        queries: question by name.
        phrases: the known answers, by the same names.
        text_tokenizer: tokenizer.json of the Y-Encoder.
        query_tokenizer: that of the table of query tokens; None if the model has no table.
        licences: licence by part.
        decoder: the Y-Decoder; None if the model has none.
    """

    queries: Mapping[str, str]
    phrases: Mapping[str, Sequence[str]]
    text_tokenizer: Path
    query_tokenizer: Path | None
    licences: Mapping[str, str]
    decoder: YDecoder | None = None

    @property
    def all_phrases(self) -> list[str]:
        """All phrases in the order of the bank."""
        return [text for phrases in self.phrases.values() for text in phrases]


@dataclass(frozen=True)
class Choices:
    """What a bundle is to hold.

    Attributes:
        text_encoder: the Y-Encoder; without it a robot embeds no new texts.
        query_table: the table of query tokens, so that a robot may ask anything.
        int8_weights: store the Y-Encoder's rounded weights as int8.
        precision: of the visual graphs; None for float32.
    """

    text_encoder: bool = True
    query_table: bool = False
    int8_weights: bool = False
    precision: LowPrecision | None = None


class EncodedTexts:
    """What torch makes of the texts of a bundle, one text at a time and without padding."""

    def __init__(self, model: VLJepaModel, contents: Contents) -> None:
        self._model = model
        config = model.config
        self._text = TextTokenizer(
            contents.text_tokenizer.read_bytes(), config.y_encoder.max_tokens
        )
        self._query = self._text
        if contents.query_tokenizer is not None:
            content = contents.query_tokenizer.read_bytes()
            self._query = TextTokenizer(content, config.predictor.max_query_tokens)

    def ids(self, text: str) -> Tensor:
        """Return the Y-Encoder's token numbers of a text (1, L)."""
        return torch.tensor([self._text.of(text)])

    @torch.no_grad()
    def embedding(self, text: str) -> Tensor:
        """Return the unit embedding of a text (1, D)."""
        ids = self.ids(text)
        return self._model.y_encoder(ids, torch.ones_like(ids, dtype=torch.bool))

    def queries(self, texts: Iterable[str]) -> tuple[Tensor, Tensor]:
        """Return the tokens (Q, L, E) of queries, zero padded, and their mask (Q, L)."""
        p = self._model.config.predictor
        states = [self.query(text) for text in texts]
        tokens = torch.zeros(len(states), p.max_query_tokens, p.query_width)
        for row, real in zip(tokens, states, strict=True):
            row[: len(real)] = real
        lengths = torch.tensor([[len(real)] for real in states])
        return tokens, torch.arange(p.max_query_tokens) < lengths

    @torch.no_grad()
    def query(self, text: str) -> Tensor:
        """Return the tokens of a query (L, E), at most as many as the Predictor reads."""
        if self._model.config.queries_from == "table":
            return self._model.query_table(torch.tensor(self._query.of(text)))
        ids = self.ids(text)
        states = self._model.y_encoder.states(ids, torch.ones_like(ids, dtype=torch.bool))
        return states[0, : self._model.config.predictor.max_query_tokens]
