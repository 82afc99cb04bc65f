# SPDX-License-Identifier: Apache-2.0
"""Captions for the stage without queries: all that is labelled in a frame, in one text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recordings.sample import DESCRIBE

WORDINGS = 8  # that are drawn for each caption; some are alike if its labels have few

Labels = tuple[str, ...]


class Captions:
    """Every caption of the training set, and the one query; see :class:`~.stream_batches.Texts`.

    A frame without any label has no caption.
    """

    groups = None

    def __init__(self, episodes: Sequence[StoredEpisode], text: FrozenText) -> None:
        """Collect the captions, and embed some wordings of each."""
        seen = {labels for episode in episodes for labels in _labels_of(episode) if labels}
        self._rows = {labels: row for row, labels in enumerate(sorted(seen))}
        rng = np.random.default_rng(0)
        wordings = [[_caption(labels, rng) for _ in range(WORDINGS)] for labels in self._rows]
        sentences = text.unit_sentences([each for group in wordings for each in group])
        self._sentences = sentences.unflatten(0, (-1, WORDINGS))
        self._query = text.query(DESCRIBE)

    def targets(self, episode: StoredEpisode) -> NDArray[np.int64]:
        """Return the caption of each frame of an episode (F, 1), or -1."""
        return np.array([[self._rows.get(labels, -1)] for labels in _labels_of(episode)])

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Return one wording (C, width) of each caption."""
        count, wordings = self._sentences.shape[:2]
        chosen = torch.from_numpy(rng.integers(0, wordings, count))
        return self._sentences[torch.arange(count), chosen]

    def choose_queries(self, rng: np.random.Generator, batch: int) -> NDArray[np.int64]:
        """Return the number of the one wording (B, 1)."""
        return np.zeros((batch, 1), np.int64)

    def queries(self, chosen: NDArray[np.int64]) -> Tokens:
        """Return the token states (B, 1, L, width) and masks of the query."""
        return Tokens(*(part.expand(len(chosen), 1, *part.shape) for part in self._query))


def _labels_of(episode: StoredEpisode) -> list[Labels]:
    """Return the labels of each frame, from the task down to what is held."""
    named = [episode.labels[name] for name in reversed(QUERY_NAMES)]
    return [tuple(filter(None, labels)) for labels in zip(*named, strict=True)]


def _caption(labels: Labels, rng: np.random.Generator) -> str:
    wordings = (language.training_paraphrases(label) for label in labels)
    return ", ".join(each[rng.integers(len(each))] for each in wordings)
