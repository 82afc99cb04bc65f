# SPDX-License-Identifier: Apache-2.0
"""Training clips in memory: cached frame features, label numbers, sentence vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..model.config import ModelConfig
from .episodes import QUERY_NAMES, StoredEpisode, clip_indices, load_episodes
from .features import feature_path
from .simulation import language
from .texts import FrozenText


@dataclass(frozen=True)
class Vocabulary:
    """Every label of the training set, grouped by query."""

    labels: dict[str, tuple[str, ...]]

    @staticmethod
    def of(episodes: Sequence[StoredEpisode]) -> Vocabulary:
        """Collect the labels that occur, in a fixed order."""
        return Vocabulary(
            {
                name: tuple(sorted({label for e in episodes for label in e.labels[name]}))
                for name in QUERY_NAMES
            }
        )

    def all(self) -> list[str]:
        """Return the labels of all queries, concatenated."""
        return [label for name in QUERY_NAMES for label in self.labels[name]]

    def numbers(self) -> dict[tuple[str, str], int]:
        """Return each (query, label)'s row in ``all``."""
        pairs = [(name, label) for name in QUERY_NAMES for label in self.labels[name]]
        return {pair: row for row, pair in enumerate(pairs)}


class ClipSet:
    """Random clips (features, label numbers) of a split."""

    def __init__(
        self, data: Path, split: str, config: ModelConfig, vocabulary: Vocabulary
    ) -> None:
        episodes = load_episodes(data, split)
        numbers = vocabulary.numbers()
        self.features, self._first = _join(episodes, config)
        self.targets = np.array(
            [
                [numbers.get((name, e.labels[name][i]), -1) for name in QUERY_NAMES]
                for e in episodes
                for i in range(len(e))
            ]
        )
        self._config = config

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return features (B, T, C, h, w) float32 and label numbers (B, queries) of end frames."""
        c = self._config
        clips = []
        for row in rows:
            first = self._first[row]
            clips.append(first + clip_indices(row - first, c.clip_frames, c.clip_rate_hz))
        features = torch.from_numpy(self.features[np.stack(clips)]).float()
        return features, torch.from_numpy(self.targets[rows])


def _join(
    episodes: Sequence[StoredEpisode], config: ModelConfig
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Return all features in one array, and for every frame its episode's first row."""
    lengths = [len(e) for e in episodes]
    grid = (config.frame_channels, config.frame_grid, config.frame_grid)
    features = np.empty((sum(lengths), *grid), np.float16)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for episode, start in tqdm(list(zip(episodes, starts, strict=True)), "features"):
        features[start : start + len(episode)] = np.load(feature_path(episode))
    return features, np.repeat(starts, lengths)


class Sentences:
    """Sentence vectors of every label's paraphrases, and the queries' token states."""

    def __init__(self, vocabulary: Vocabulary, config: ModelConfig) -> None:
        text = FrozenText(config.max_query_tokens)
        groups = [language.training_paraphrases(label) for label in vocabulary.all()]
        vectors = text.sentences(sentence for group in groups for sentence in group)
        self._groups = [torch.from_numpy(np.stack([vectors[s] for s in g])) for g in groups]
        self._queries = [
            [tuple(map(torch.from_numpy, text.query(q))) for q in language.training_queries(name)]
            for name in QUERY_NAMES
        ]

    def canonical(self) -> Tensor:
        """Return the canonical sentence vector of every label (labels, text width)."""
        return torch.stack([group[0] for group in self._groups])

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Return one vector per label: a mix of two paraphrases with a little noise.

        The mix and the noise fill the space between the sentences, so that an unseen wording
        still lands near its meaning.
        """
        rows = []
        for group in self._groups:
            a, b = rng.integers(0, len(group), 2)
            weight = float(rng.uniform(0, 1))
            rows.append(weight * group[a] + (1 - weight) * group[b])
        mixed = torch.stack(rows)
        noise = torch.from_numpy(rng.normal(0, 0.15, mixed.shape)).float()
        return torch.nn.functional.normalize(mixed, dim=-1) + noise / mixed.shape[-1] ** 0.5

    def sample_queries(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """Return token states (B, queries, L, E) and masks of random wordings."""
        chosen = [
            [wordings[rng.integers(len(wordings))] for wordings in self._queries]
            for _ in range(batch)
        ]
        tokens = torch.stack([torch.stack([q[0] for q in row]) for row in chosen])
        return tokens, torch.stack([torch.stack([q[1] for q in row]) for row in chosen])

    def canonical_queries(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return token states and masks of the canonical wordings, repeated ``batch`` times."""
        tokens = torch.stack([wordings[0][0] for wordings in self._queries])
        mask = torch.stack([wordings[0][1] for wordings in self._queries])
        return tokens.expand(batch, *tokens.shape), mask.expand(batch, *mask.shape)
