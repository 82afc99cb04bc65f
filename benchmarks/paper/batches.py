# SPDX-License-Identifier: Apache-2.0
"""The batches of all contestants: the same clips, questions and sentences in the same order.

What follows from the seed and the step alone is drawn in one order for everybody; contestants
differ in how sentences are encoded and in whether there are questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.paper.clips import Clips
from benchmarks.paper.wordings import Wordings
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.x_encoder import TokenMask
from vljepa_ros.recipes.default_model.drawn_streams import MIRRORED
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recordings.sample import DESCRIBE
from vljepa_ros.training.batch import Batch

TOKEN_DROP = 0.25

Encode = Callable[[Sequence[str]], Tokens | Tensor]


class Questions:
    """The token states of every wording of every query, or of the one request to describe."""

    def __init__(self, text: FrozenText, *, asked: bool) -> None:
        """Encode them; if none is ``asked``, every query stands for that request."""
        self.asked = asked
        names = {name: language.training_queries(name) for name in QUERY_NAMES}
        wordings = names if asked else {"": (DESCRIBE,)}
        self._tokens = [[text.query(one) for one in each] for each in wordings.values()]

    def draw(self, random: np.random.Generator, clips: int) -> NDArray[np.int64]:
        """Return the number of a wording for every clip and query."""
        return random.integers(0, [len(each) for each in self._tokens], (clips, len(self._tokens)))

    def tokens(self, chosen: NDArray[np.int64]) -> Tokens:
        """Return token states (B, Q, L, width) and masks, as long as the longest one needs."""
        rows = [
            [each[n] for each, n in zip(self._tokens, row, strict=True)] for row in chosen.tolist()
        ]
        mask = torch.stack([torch.stack([one.mask for one in row]) for row in rows])
        values = torch.stack([torch.stack([one.values for one in row]) for row in rows])
        longest = int(mask.sum(-1).max())
        return Tokens(values[:, :, :longest], mask[..., :longest])

    def canonical(self, clips: int) -> Tokens:
        """Return the canonical wordings for so many clips."""
        return self.tokens(np.zeros((clips, len(self._tokens)), np.int64))


class ClipBatches:
    """Random clips; see :class:`vljepa_ros.training.batch.Batches`."""

    def __init__(
        self,
        clips: Clips,
        wordings: Wordings,
        questions: Questions,
        encode: Encode,
        config: ModelConfig,
        size: int,
        seed: int,
        tokens: int,
    ) -> None:
        """Take what batches are made of; ``tokens`` are those of a clip, before any is dropped."""
        self._clips, self._wordings, self._questions = clips, wordings, questions
        self._encode, self._config = encode, config
        self._size, self._seed, self._tokens = size, seed, tokens
        self._candidates = np.full(len(wordings.all) + 1, -1)  # the last is that of no label
        self._candidates[wordings.trained] = np.arange(len(wordings.trained))

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Draw a step of its own seed, and return every ``parts``-th clip of it."""
        random = np.random.default_rng([self._seed, step])
        ends = random.integers(0, len(self._clips), self._size)
        sentences = self._wordings.draw(random)
        mirrored = (random.random(self._size) < MIRRORED) & ~self._clips.sided[ends]
        targets = self._candidates[self._clips.targets[ends]]
        if not self._questions.asked:
            targets = _one_of_each(targets, random)
        chosen = self._questions.draw(random, self._size)
        mask = self._token_mask(random)
        own = slice(part, None, parts)
        visual = self._clips.visual(ends[own], self._config)
        turned = torch.from_numpy(mirrored[own])[:, None, None, None, None]
        return Batch(
            visual=torch.where(turned, visual.flip(-1), visual),
            queries=self._questions.tokens(chosen[own]),
            texts=self._encode(sentences),
            targets=torch.from_numpy(targets[own]),
            shared=True,
            keys=torch.arange(len(sentences)),
            token_mask=TokenMask(mask[own], self._tokens),
        )

    def _token_mask(self, random: np.random.Generator) -> Tensor:
        count = round(self._tokens * (1 - TOKEN_DROP))
        order = random.random((self._size, self._tokens)).argsort(1)[:, :count]
        return torch.from_numpy(np.sort(order, 1))


def _one_of_each(targets: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Return one of the known targets (B, 1) of every clip, drawn from its (B, Q)."""
    chances = random.random(targets.shape) - (targets < 0)
    return np.take_along_axis(targets, chances.argmax(1)[:, None], 1)
