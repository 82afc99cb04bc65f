# SPDX-License-Identifier: Apache-2.0
"""Batches for the default model: cached frame features, labels, sentences of every label.

The candidates of a step are one sentence for *every* label, not the answers of the batch: in-batch
candidates make a frequent answer its own negative and so suppress it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.x_encoder import TokenMask
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode, clip_indices
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.training.batch import Batch

TOKEN_DROP = 0.25
MIRROR = 0.3
CUT = 0.08  # share of clips whose beginning shows another scene, as at a cut or a camera switch
TEXT_NOISE = 0.15


@dataclass(frozen=True)
class LabelSet:
    """Every label of the training set, grouped by query."""

    labels: dict[str, tuple[str, ...]]

    @staticmethod
    def of(episodes: Sequence[StoredEpisode]) -> LabelSet:
        """Collect the labels that occur, in a fixed order."""
        return LabelSet(
            {
                name: tuple(sorted({label for e in episodes for label in e.labels[name]}))
                for name in QUERY_NAMES
            }
        )

    def all(self) -> list[str]:
        """Return the labels of all queries, concatenated."""
        return [label for name in QUERY_NAMES for label in self.labels[name]]

    def rows(self) -> dict[tuple[str, str], int]:
        """Return each (query, label)'s row in ``all``."""
        pairs = [(name, label) for name in QUERY_NAMES for label in self.labels[name]]
        return {pair: row for row, pair in enumerate(pairs)}


Features = Callable[[StoredEpisode], NDArray[np.float16]]
"""The features (F, C, h, w) of an episode's frames."""


class ClipSet:
    """The clips of a split, one for every frame that can end one.

    Attributes:
        features: of all frames of all episodes, float16 (frames, C, h, w).
        targets: the row in the label set of each frame's answer to each query, or -1 if it has
            none, int64 (frames, queries).
    """

    def __init__(
        self,
        episodes: Sequence[StoredEpisode],
        features: Features,
        config: ModelConfig,
        label_set: LabelSet,
    ) -> None:
        rows = label_set.rows()
        self.features, self._first = _join(episodes, features, config)
        self.targets = np.array(
            [
                [rows.get((name, e.labels[name][i]), -1) for name in QUERY_NAMES]
                for e in episodes
                for i in range(len(e))
            ]
        )
        self._config = config

    def __len__(self) -> int:
        return len(self.targets)

    def frames(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the frames (B, T) of the clips that end at the frames ``rows`` (B)."""
        c = self._config
        first = self._first[rows]
        steps = [clip_indices(end, c.clip_frames, c.clip_rate_hz) for end in rows - first]
        return first[:, None] + np.stack(steps)

    def clips(self, frames: NDArray[np.int64]) -> Tensor:
        """Return the features (B, T, C, h, w) float32 of frames (B, T)."""
        return torch.from_numpy(self.features[frames]).float()


def _join(
    episodes: Sequence[StoredEpisode], features: Features, config: ModelConfig
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Return all features in one array, and for every frame its episode's first row."""
    lengths = [len(e) for e in episodes]
    x = config.x_encoder
    joined = np.empty((sum(lengths), x.channels, x.grid, x.grid), np.float16)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    for episode, start in tqdm(list(zip(episodes, starts, strict=True)), "features"):
        joined[start : start + len(episode)] = features(episode)
    return joined, np.repeat(starts, lengths)


class Sentences:
    """Sentences of every label's paraphrases, and the queries' token states."""

    def __init__(self, label_set: LabelSet, text: FrozenText) -> None:
        groups = [language.training_paraphrases(label) for label in label_set.all()]
        vectors = text.sentences(sentence for group in groups for sentence in group)
        self._groups = [normalize(torch.stack([vectors[s] for s in g]), dim=-1) for g in groups]
        self._queries = [
            [text.query(wording) for wording in language.training_queries(name)]
            for name in QUERY_NAMES
        ]

    def canonical(self) -> Tensor:
        """Return the canonical sentence of every label (labels, text width)."""
        return torch.stack([group[0] for group in self._groups])

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Return one sentence per label: a mix of two paraphrases with a little noise.

        The mix and the noise fill the space between the sentences, so that an unseen wording
        still lands near its meaning.
        """
        rows = []
        for group in self._groups:
            a, b = rng.integers(0, len(group), 2)
            weight = float(rng.uniform(0, 1))
            rows.append(weight * group[a] + (1 - weight) * group[b])
        mixed = torch.stack(rows)
        noise = torch.from_numpy(rng.normal(0, TEXT_NOISE, mixed.shape)).float()
        return normalize(mixed, dim=-1) + noise / mixed.shape[-1] ** 0.5

    def choose_queries(self, rng: np.random.Generator, batch: int) -> NDArray[np.int64]:
        """Return the number of a random wording for every clip and query (B, queries)."""
        return rng.integers(
            0, [len(wordings) for wordings in self._queries], (batch, len(self._queries))
        )

    def queries(self, chosen: NDArray[np.int64]) -> Tokens:
        """Return the token states (B, queries, L, width) and masks of wordings."""
        rows = [
            [wordings[i] for wordings, i in zip(self._queries, row, strict=True)] for row in chosen
        ]
        values = torch.stack([torch.stack([query.values for query in row]) for row in rows])
        return Tokens(values, torch.stack([torch.stack([q.mask for q in row]) for row in rows]))


class EpisodeBatches:
    """Random clips of a split with random wordings; see :class:`~.batch.Batches`."""

    def __init__(
        self, clips: ClipSet, sentences: Sentences, config: ModelConfig, size: int
    ) -> None:
        self._clips, self._sentences, self._size = clips, sentences, size
        self._tokens = config.visual_tokens

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Draw the whole step from its own seed, and return every ``parts``-th clip of it."""
        rng = np.random.default_rng([0, step])
        rows = rng.integers(0, len(self._clips), self._size)
        mirrored = rng.random() < MIRROR
        frames = _with_cuts(self._clips.frames(rows), rng)
        token_mask = self._token_mask(rng)
        chosen = self._sentences.choose_queries(rng, self._size)
        texts = self._sentences.sample(rng)
        own = slice(part, None, parts)
        visual = self._clips.clips(frames[own])
        return Batch(
            visual=visual.flip(-1) if mirrored else visual,
            queries=self._sentences.queries(chosen[own]),
            texts=texts,
            targets=torch.from_numpy(self._clips.targets[rows[own]]),
            shared=True,
            keys=torch.arange(len(texts)),
            token_mask=TokenMask(token_mask[own], self._tokens),
        )

    def _token_mask(self, rng: np.random.Generator) -> Tensor:
        count = round(self._tokens * (1 - TOKEN_DROP))
        order = rng.random((self._size, self._tokens)).argsort(1)[:, :count]
        return torch.from_numpy(np.sort(order, 1))


def _with_cuts(frames: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Replace the first frames of some clips (B, T) by the last ones of their neighbours."""
    cut = frames.copy()
    for clip in np.flatnonzero(rng.random(len(frames)) < CUT):
        count = int(rng.integers(1, frames.shape[1] - 2))
        cut[clip, :count] = frames[clip - 1, -count:]
    return cut
