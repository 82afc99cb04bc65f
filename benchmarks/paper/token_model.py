# SPDX-License-Identifier: Apache-2.0
"""The twin that generates: the same X-Encoder, and a text decoder in place of the Predictor.

The decoder is the Predictor's stack of blocks, with more of them. Visual tokens see each other,
the question sees them and itself, and each word of the answer sees both and the words before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from benchmarks.paper.sentence_tree import SentenceTree
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.predictor import Predictor
from vljepa_ros.model.rotary import Rotary
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.vocabulary import END, Vocabulary
from vljepa_ros.training.batch import Batch

DEPTH = 2  # times the Predictor's: about twice its parameters
LONGEST = 24  # words of a description
_PADDING = -100  # what cross_entropy leaves out


class Context(NamedTuple):
    """What the words of an answer see, for each of R answers.

    Attributes:
        layers: keys and values (R, heads, K, head width) of each block.
        real: which of them may be seen (R, K).
        place: position of the next word.
    """

    layers: list[tuple[Tensor, Tensor]]
    real: Tensor
    place: int

    def rows(self, index: Tensor) -> Context:
        """Return the context of some of the answers."""
        layers = [(keys[index], values[index]) for keys, values in self.layers]
        return Context(layers, self.real[index], self.place)


class TextDecoder(Predictor):
    """Visual tokens, question and words -> what each next word may be."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        """Make ``DEPTH`` times as many blocks as the Predictor of the configuration has."""
        predictor = replace(config.predictor, depth=DEPTH * config.predictor.depth)
        super().__init__(replace(config, predictor=predictor))
        self.out = nn.Identity()  # words are told apart by their own vectors
        self.word = nn.Embedding(len(vocabulary.pieces) + 1, predictor.width)
        nn.init.normal_(self.word.weight, std=predictor.width**-0.5)

    def context(
        self, visual: Tensor, queries: Tokens, tokens: Tensor | None, total: int
    ) -> Context:
        """Return what the answers (B * Q) to queries see.

        Args:
            visual: visual tokens (B, N, width).
            queries: token states (B, Q, L, width).
            tokens: numbers (B, N) of the visual tokens, if some are dropped.
            total: visual tokens before any is dropped.
        """
        batch, count, length, _ = queries.values.shape
        rotary = self.rotary(total + length, visual.device)
        seen, asked = rotary.part(0, total), rotary.part(total, total + length)
        if tokens is not None:
            seen = seen.rows(tokens)
        x, q = self.visual_in(visual), self.query_in(queries.values).flatten(0, 1)
        real = torch.cat(
            [queries.mask.new_ones(batch, count, x.shape[1]), queries.mask], 2
        ).flatten(0, 1)
        layers = []
        for block in self.blocks:
            own, (ask, *offer) = block.project(x, seen), block.project(q, asked)
            keys, values = (_joined(*pair) for pair in zip(own[1:], offer, strict=True))
            layers.append((keys, values))
            q = block.mix(q, ask, keys, values, real)
            x = block.mix(x, *own)
        return Context(layers, real, total + length)

    def say(self, words: Tensor, context: Context) -> tuple[Tensor, Context]:
        """Return the logits (R, W, vocabulary) after each word (R, W), and the longer context."""
        width = words.shape[1]
        turned = self._turned(context, width)
        before = torch.ones(width, width, dtype=torch.bool).tril()
        logits, layers = self._read(words, turned, before, context)
        real = torch.cat([context.real, context.real.new_ones(len(words), width)], 1)
        return logits, Context(layers, real, context.place + width)

    def branch(self, tree: SentenceTree, context: Context) -> Tensor:
        """Return the logits (R, N, vocabulary) after each beginning of a tree."""
        turned = self._turned(context, int(tree.depths.max()) + 1).rows(tree.depths[None])
        words = tree.words.expand(len(context.real), -1)
        return self._read(words, turned, tree.sees, context)[0]

    def _turned(self, context: Context, width: int) -> Rotary:
        """Return the positions of the next words."""
        first = context.place
        return self.rotary(first + width, context.real.device).part(first, first + width)

    def _read(
        self, words: Tensor, turned: Rotary, sees: Tensor, context: Context
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the logits after words (R, W), and the keys and values of context and words.

        Each word sees the context, and those of the words (W, W) that ``sees`` says.
        """
        past = context.real[:, None].expand(-1, words.shape[1], -1)
        mask = torch.cat([past, sees.expand(len(words), -1, -1)], 2)
        x, layers = self.word(words), []
        for block, earlier in zip(self.blocks, context.layers, strict=True):
            ask, *own = block.project(x, turned)
            keys, values = (torch.cat(pair, 2) for pair in zip(earlier, own, strict=True))
            layers.append((keys, values))
            x = block.mix(x, ask, keys, values, mask)
        return self.norm(x) @ self.word.weight.T, layers


class TokenModel(VLJepaModel):
    """A model whose answers are words."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        """Make the layers; the Y-Encoder only gives the token states of questions."""
        super().__init__(config)
        self.predictor = TextDecoder(config, vocabulary)
        self.vocabulary = vocabulary
        self.y_encoder.requires_grad_(False)

    def encode(self, sentences: Sequence[str]) -> Tokens:
        """Return the words (C, W) of sentences, each with its end, and which are real."""
        rows = [torch.tensor(self.vocabulary.numbers(each)) for each in sentences]
        real = pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], True)
        return Tokens(pad_sequence(rows, True), real)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the words of the right sentences."""
        mask = batch.token_mask
        visual = self.x_encoder(batch.visual, mask)
        kept, total = (None, visual.shape[1]) if mask is None else mask
        context = self.predictor.context(visual, batch.queries, kept, total)
        targets = batch.targets.flatten()
        words, real = (each[targets.clamp(min=0)] for each in batch.texts)
        real = real & (targets >= 0)[:, None]  # the others are not asked
        started = nn.functional.pad(words[:, :-1], (1, 0), value=END)
        logits, _ = self.predictor.say(started, context)
        wanted = words.masked_fill(~real, _PADDING)
        return cross_entropy(logits.flatten(0, 1).float(), wanted.flatten())

    def contexts(self, visual: Tensor, queries: Tokens) -> Context:
        """Return what answers (B * Q) about clips (B, T, C, h, w) see."""
        tokens = self.x_encoder(visual)
        return self.predictor.context(tokens, queries, None, tokens.shape[1])

    @torch.inference_mode()
    def log_likelihoods(self, context: Context, candidates: SentenceTree) -> Tensor:
        """Return how likely each candidate (R, C) is as each answer of a context."""
        chances = self.predictor.branch(candidates, context).log_softmax(-1)
        return (chances[:, candidates.before, candidates.following] * candidates.real).sum(2)

    @torch.inference_mode()
    def descriptions(self, context: Context) -> list[str]:
        """Return the answers: the likeliest word after the likeliest word."""
        word = torch.full((len(context.real), 1), END)
        said, unfinished = [], torch.ones_like(word)
        for _ in range(LONGEST):
            logits, context = self.predictor.say(word, context)
            word = logits.argmax(-1) * unfinished
            said.append(word)
            unfinished = unfinished * (word != END)
            if not unfinished.any():
                break
        return [self.vocabulary.text(row) for row in torch.cat(said, 1).tolist()]


def _joined(shared: Tensor, own: Tensor) -> Tensor:
    """Return what queries see (B * Q, H, N + L, d): all of a clip (B, H, N, d), and each its own.

    Their own is (B * Q, H, L, d).
    """
    own = own.unflatten(0, (len(shared), -1))
    repeated = shared[:, None].expand(-1, own.shape[1], -1, -1, -1)
    return torch.cat([repeated, own], 3).flatten(0, 1)  # one copy, not two
