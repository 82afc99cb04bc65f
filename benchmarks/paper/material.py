# SPDX-License-Identifier: Apache-2.0
"""What teaches and tests all contestants; each part is read when it is needed first."""

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
    """

    steps: int = 1000
    batch: int = 64
    points: int = 10
    episodes: int = 1000
    tested: int = 300

    @property
    def clips(self) -> int:
        """Clips that each contestant sees."""
        return self.steps * self.batch


class Material:
    """Episodes, sentences and the language model."""

    def __init__(self, data: Path, split: str, scale: Scale) -> None:
        """Take the folder of the recipe's data, and the split that tests."""
        self._data, self._split, self.scale = data, split, scale

    @cached_property
    def wordings(self) -> Wordings:
        """Labels and sentences."""
        return Wordings.of(self._taught)

    @cached_property
    def taught(self) -> Clips:
        """The clips that teach."""
        return Clips(self._taught, self._features, self.wordings)

    @cached_property
    def tested(self) -> Clips:
        """The clips that test."""
        episodes = read_episodes(self._data, self._split, self.scale.episodes)
        return Clips(episodes, self._features, self.wordings)

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
        return torch.stack([self.text.sentence(each) for each in sentences])

    def cut(self, sentences: Sequence[str]) -> Tokens:
        """Return the token numbers (C, L) of sentences, for a tower that learns."""
        return self._tokenize(sentences)

    @cached_property
    def _tokenize(self) -> Tokenize:
        return Tokenize(self._tokenizer, COMPARED.y_encoder.max_tokens)

    @cached_property
    def _taught(self) -> list[StoredEpisode]:
        return read_episodes(self._data, "train", self.scale.episodes)

    @cached_property
    def _features(self) -> EpisodeFeatures:
        return EpisodeFeatures(self._data)

    @cached_property
    def _language(self) -> VLJepaModel:
        return VLJepaModel(COMPARED)

    @cached_property
    def _tokenizer(self) -> Path:
        return load_minilm(self._language)
