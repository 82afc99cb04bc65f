# SPDX-License-Identifier: Apache-2.0
"""Batches for the default model: cached frame features, labels, sentences of every label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.x_encoder import TokenMask
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode, clip_indices
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.sentences import Sentences
from vljepa_ros.training.batch import Batch

TOKEN_DROP = 0.25
MIRROR = 0.3
CUT = 0.08  # share of clips whose beginning shows another scene, as at a cut or a camera switch


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
            groups=self._sentences.groups,
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
