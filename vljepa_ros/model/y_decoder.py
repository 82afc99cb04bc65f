# SPDX-License-Identifier: Apache-2.0
"""Y-Decoder: an embedding to a sentence, word by word.

The paper says no more of its own than that it reads the predicted embedding and is left out of the
training. This one is a gated recurrent unit over whole words, for a robot says short sentences of
few words.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vljepa_ros.fields import FieldReader
from vljepa_ros.model.vocabulary import END, Vocabulary


@dataclass(frozen=True)
class YDecoderConfig:
    """Sizes and words of a decoder.

    Attributes:
        embedding: dimension of the embedding space.
        width: dimension of the state.
        longest: words at which a sentence is cut off, its end counted as one.
        words: the pieces, see :mod:`.vocabulary`.
    """

    embedding: int
    width: int
    longest: int
    words: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON file."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Any) -> YDecoderConfig:
        """Read what :meth:`to_dict` wrote.

        Raises:
            FieldError: a field is missing or not valid.
        """
        reader = FieldReader(values, "the configuration of a decoder")
        sizes = {name: reader.whole(name) for name in ("embedding", "width", "longest")}
        return YDecoderConfig(**sizes, words=tuple(reader.text_list("words")))


class YDecoder(nn.Module):
    """Unit embeddings (B, D) -> sentences.

    Each step sees the word before and the embedding, which is also the first state. Before the
    first word stands the number that ends a sentence.
    """

    def __init__(self, config: YDecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = Vocabulary(config.words)
        count = len(config.words) + 1
        self.meaning = nn.Linear(config.embedding, config.width)
        self.before = nn.Embedding(count, config.width)
        self.cell = nn.GRUCell(config.width, config.width)
        self.next = nn.Linear(config.width, count)

    def forward(self, embeddings: Tensor, sentences: Tensor) -> Tensor:
        """Return the logits (B, L, words + 1) of every word, given the true ones before it.

        Args:
            embeddings: what the sentences say (B, dimension).
            sentences: numbers of words (B, L), int64; after the end stands anything.
        """
        meaning = self.meaning(embeddings)
        started = torch.nn.functional.pad(sentences[:, :-1], (1, 0), value=END)
        inputs = self.before(started) + meaning[:, None]
        state, states = meaning.tanh(), []
        for one in inputs.unbind(1):
            state = self.cell(one, state)
            states.append(state)
        return self.next(torch.stack(states, 1))

    def greedy_decode(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Decode greedily: the likeliest word after the likeliest word.

        Returns:
            Numbers of words (B, longest), int64, with zeros from the end on, and the probability
            (B) of the whole sentence.
        """
        meaning = self.meaning(embeddings)
        state, log_probability = meaning.tanh(), torch.zeros_like(embeddings[:, 0])
        word = torch.zeros_like(log_probability, dtype=torch.int64)
        unfinished, decoded = torch.ones_like(word), []
        for step in range(self.config.longest):
            state = self.cell(self.before(word) + meaning, state)
            chances = self.next(state).log_softmax(-1)
            first = 1 if step == 0 else 0  # a sentence has a word
            chance, word = chances[:, first:].max(-1)
            word = (word + first) * unfinished
            log_probability = log_probability + chance * unfinished
            unfinished = (word != END).long()  # what ended stays so
            decoded.append(word)
        return torch.stack(decoded, 1), log_probability.exp()

    @torch.no_grad()
    def sentences(self, embeddings: Tensor) -> list[str]:
        """Return what is said about embeddings (B, D)."""
        return [self.vocabulary.text(row) for row in self.greedy_decode(embeddings)[0].tolist()]
