# SPDX-License-Identifier: Apache-2.0
"""The training of a Y-Decoder, on embeddings and the sentences to decode from them.

Embeddings of texts need no clips, so any list of sentences is enough. They are moved a little, so
that an embedding near a sentence becomes that sentence, and not a mix of two. Predicted embeddings
lie somewhat apart from those of texts: if some are given, every second example is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from tqdm import trange

from vljepa_ros.model.vocabulary import Vocabulary
from vljepa_ros.model.y_decoder import YDecoder, YDecoderConfig
from vljepa_ros.training.optimiser import set_rate

WIDTH = 192
STEPS = 1200
BATCH = 256
RATE = 3e-3
NOISE = 0.5  # greatest length of what is added to a text's unit embedding
MIX = 0.45  # greatest share of another text in it

_PADDING = -1


@dataclass(frozen=True)
class DecoderExamples:
    """Embeddings and the sentences to decode from them.

    Attributes:
        embeddings: unit embeddings (N, D).
        sentences: numbers of words, int64 (N, L), with -1 after the end.
    """

    embeddings: Tensor
    sentences: Tensor

    @staticmethod
    def of(
        vocabulary: Vocabulary, embeddings: Tensor, sentences: Sequence[str]
    ) -> DecoderExamples:
        """Pair embeddings (N, D) with sentences.

        Raises:
            ValueError: a sentence has a word that is not known.
        """
        numbers = [torch.tensor(vocabulary.numbers(each)) for each in sentences]
        padded = torch.nn.utils.rnn.pad_sequence(numbers, True, _PADDING)
        return DecoderExamples(embeddings, padded)

    def sample(self, count: int, generator: torch.Generator) -> DecoderExamples:
        """Return ``count`` random examples."""
        rows = torch.randint(len(self.embeddings), (count,), generator=generator)
        return DecoderExamples(self.embeddings[rows], self.sentences[rows])


def new_decoder(sentences: Sequence[str], dimension: int, width: int = WIDTH) -> YDecoder:
    """Return a decoder with random weights and the words of ``sentences``.

    Raises:
        ValueError: there is no word.
    """
    vocabulary = Vocabulary.of(sentences)
    if not vocabulary.pieces:
        raise ValueError("there is no word to learn")
    longest = max(len(vocabulary.numbers(each)) for each in sentences)
    return YDecoder(YDecoderConfig(dimension, width, longest, vocabulary.pieces))


def train_decoder(
    decoder: YDecoder,
    texts: DecoderExamples,
    predictions: DecoderExamples | None = None,
    *,
    steps: int = STEPS,
    seed: int = 0,
) -> float:
    """Train a decoder in place, and leave it in evaluation mode.

    Args:
        decoder: it is trained whole.
        texts: embeddings of texts and these texts.
        predictions: predicted embeddings and the sentences to decode from them.
        steps: batches of :data:`BATCH` examples.
        seed: of the choice of examples and the noise.

    Returns:
        The loss of the last batch, in nats per word.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(decoder.parameters(), RATE, weight_decay=0.01)
    decoder.train()
    loss = torch.tensor(math.nan)
    for step in trange(steps, desc="decoder", unit="step"):
        set_rate(optimiser, _rate(step, steps))
        parts = _batch(texts, predictions, generator)
        loss = torch.stack([_loss(decoder, part) for part in parts]).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        optimiser.step()
    decoder.eval()
    return loss.item()


def _rate(step: int, steps: int) -> float:
    """Return the learning rate: up in the first twentieth, then down along a cosine."""
    warm = min(1.0, (step + 1) / (0.05 * steps))
    return RATE * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def _batch(
    texts: DecoderExamples, predictions: DecoderExamples | None, generator: torch.Generator
) -> list[DecoderExamples]:
    if predictions is None:
        return [_moved(texts.sample(BATCH, generator), generator)]
    half = BATCH // 2
    return [_moved(texts.sample(half, generator), generator), predictions.sample(half, generator)]


def _moved(examples: DecoderExamples, generator: torch.Generator) -> DecoderExamples:
    """Move each embedding toward another and in a random direction, and back to unit length."""
    given = examples.embeddings
    count = len(given)
    others = given[torch.randperm(count, generator=generator)]
    direction = normalize(torch.randn(given.shape, generator=generator), dim=-1)
    toward, aside = torch.rand(2, count, 1, generator=generator)
    moved = given + MIX * toward * (others - given) + NOISE * aside * direction
    return DecoderExamples(normalize(moved, dim=-1), examples.sentences)


def _loss(decoder: YDecoder, examples: DecoderExamples) -> Tensor:
    longest = int((examples.sentences != _PADDING).sum(1).max())
    sentences = examples.sentences[:, :longest]
    logits = decoder(examples.embeddings, sentences.clamp(min=0))
    return cross_entropy(logits.flatten(0, 1), sentences.flatten(), ignore_index=_PADDING)
