# SPDX-License-Identifier: Apache-2.0
"""What teaches and tests all contestants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.paper.clips import Clips, read_episodes
from benchmarks.paper.contestants import COMPARED
from benchmarks.paper.wordings import Wordings
from vljepa_ros.model.checkpoints.minilm import load_minilm
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.model.vocabulary import Vocabulary
from vljepa_ros.recipes.default_model.episodes import StoredEpisode
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.frame_set import Features
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.training.tokenize import Tokenize


@dataclass(frozen=True)
class Scale:
    """How much is trained and tested.

    Attributes:
        steps: of each contestant.
        batch: clips of a step.
        points: at which it is measured.
        episodes: that teach, at most.
        tested: clips that test, at most.
        precision: of the training, ``fp32`` or ``bf16``; tests are in fp32.
    """

    steps: int = 600
    batch: int = 64
    points: int = 10
    episodes: int = 1000
    tested: int = 300
    precision: str = "fp32"

    @property
    def clips(self) -> int:
        """Clips that each contestant sees."""
        return self.steps * self.batch


class Material:
    """Clips, sentences and the language model."""

    def __init__(
        self,
        taught: Sequence[StoredEpisode],
        tested: Sequence[StoredEpisode],
        features: Features,
        scale: Scale,
    ) -> None:
        """Take the episodes that teach and those that test, and what gives their features."""
        self.scale = scale
        self.wordings = Wordings.of(taught)
        self.taught = Clips(taught, features, COMPARED, self.wordings)
        self.tested = Clips(tested, features, COMPARED, self.wordings)

    @staticmethod
    def read(data: Path, train_split: str, test_split: str, scale: Scale) -> Material:
        """Read splits of the recipe's data; features that are not kept there yet are computed."""
        splits = (train_split, test_split)
        taught, tested = (read_episodes(data, split, scale.episodes) for split in splits)
        return Material(taught, tested, EpisodeFeatures(data), scale)

    @cached_property
    def text(self) -> FrozenText:
        """MiniLM as it comes."""
        return FrozenText(
            self._language.y_encoder, self._tokenizer, COMPARED.predictor.max_query_tokens
        )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of all sentences."""
        return Vocabulary.of(one for each in self.wordings.paraphrases for one in each)

    def embedded(self, sentences: Sequence[str]) -> Tensor:
        """Return sentences (C, text width) as the frozen tower sees them."""
        return torch.stack([self.text.states(each).mean(0) for each in sentences])

    def cut(self, sentences: Sequence[str]) -> Tokens:
        """Return the token numbers (C, L) of sentences, for a tower that learns."""
        return self._tokenize(sentences)

    @cached_property
    def _tokenize(self) -> Tokenize:
        return Tokenize(self._tokenizer, COMPARED.y_encoder.max_tokens)

    @cached_property
    def _language(self) -> VLJepaModel:
        return VLJepaModel(COMPARED)

    @cached_property
    def _tokenizer(self) -> Path:
        return load_minilm(self._language)
