# SPDX-License-Identifier: Apache-2.0
"""Measure a linear probe: what the frozen trunk alone tells about unseen episodes.

``python -m vljepa_ros.recipes.default_model.evaluate_probe --split test``

A ridge regression leads from the trunk's features to the embedding of the right sentence, in the
same space as the model's answers. So it is judged as a model is, on the same frames, beside
:mod:`.evaluate_episodes`. It learns from the training episodes of the family that it is asked
about. The strength of the ridge is chosen on the validation episodes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vljepa_ros.recipes.default_model.episode_groups import load_training, load_validation
from vljepa_ros.recipes.default_model.episodes import (
    FRAME_RATE_HZ,
    QUERY_NAMES,
    StoredEpisode,
    load_episodes,
    stride,
)
from vljepa_ros.recipes.default_model.evaluate_episodes import (
    JudgedFrames,
    by_family,
    figures,
    print_table,
)
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.frame_set import Features
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.model import VLJepa

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # shares of the mean variance of a feature
LEARNT = 4  # one frame of so many: neighbours tell the same
BEFORE = 6  # stored frames: the motion over the time that a tubelet of the model spans

Matrix = NDArray[np.float64]


def main() -> None:
    """Parse the command line, fit, choose, measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the shipped bundle")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", default="test", help="a folder of the data")
    args = parser.parse_args()
    model = VLJepa.load(args.bundle, threads=2)
    features = EpisodeFeatures(args.data)
    trained = by_family(load_training(args.data))
    chosen_by = by_family(load_validation(args.data))
    for family, episodes in by_family(load_episodes(args.data, args.split)).items():
        probe = LinearProbe(model, features, trained[family], chosen_by[family])
        print(f"{args.split}, {family}, {len(episodes)} episodes")
        print_table([probe.judge(episodes)])
    print(f"frames at {FRAME_RATE_HZ:g} Hz, each that the model sees measured; in percent")


class LinearProbe:
    """One ridge regression for each query that the training episodes have answers to."""

    def __init__(
        self,
        model: VLJepa,
        features: Features,
        trained: Sequence[StoredEpisode],
        validation: Sequence[StoredEpisode],
    ) -> None:
        """Fit all strengths to the training episodes, and keep the best on the validation ones.

        Args:
            model: embeds the sentences.
            features: of the frames.
            trained: episodes to learn from.
            validation: episodes to choose by.
        """
        self._model, self._features = model, features
        self._weights: dict[str, Matrix] = {}
        for name in QUERY_NAMES:
            sums = self._sums(name, trained)
            if sums is None:
                continue
            tried = [_solve(*sums, ridge) for ridge in RIDGES]
            right = [self._judge(name, weights, validation) for weights in tried]
            best = int(np.argmax([found["top1"] if found else 0.0 for found in right]))
            self._weights[name] = tried[best]

    def judge(self, episodes: Sequence[StoredEpisode]) -> dict[str, dict[str, float]]:
        """Return the figures of every query that has an answer in the episodes."""
        judged = {
            name: self._judge(name, weights, episodes) for name, weights in self._weights.items()
        }
        return {name: found for name, found in judged.items() if found}

    def _judge(
        self, name: str, weights: Matrix, episodes: Sequence[StoredEpisode]
    ) -> dict[str, float]:
        answers = JudgedFrames()
        step = stride(self._model.bundle.clip.rate_hz)
        for episode in episodes:
            labels = episode.labels[name]
            frames = [i for i in range(0, len(episode), step) if labels[i] is not None]
            found = _with_one(seen_by_probe(self._features(episode))[frames]) @ weights
            for frame, embedding in zip(frames, found.astype(np.float32), strict=True):
                answers.add(labels, frame, embedding, embedding)
        return figures(self._model, name, answers) if answers.labels else {}

    def _sums(self, name: str, episodes: Sequence[StoredEpisode]) -> tuple[Matrix, Matrix] | None:
        """Return X'X and X'Y over the labelled frames, or None if there are none."""
        sums: tuple[Matrix, Matrix] | None = None
        for seen, wanted in self._pairs(name, episodes):
            gram, moment = seen.T @ seen, seen.T @ wanted
            sums = (gram, moment) if sums is None else (sums[0] + gram, sums[1] + moment)
        return sums

    def _pairs(
        self, name: str, episodes: Sequence[StoredEpisode]
    ) -> Iterator[tuple[Matrix, Matrix]]:
        """Yield what the probe sees (N, P) of each episode, and the embeddings (N, D) to reach."""
        for episode in tqdm(episodes, name):
            labels = episode.labels[name]
            frames = [i for i in range(0, len(episode), LEARNT) if labels[i] is not None]
            if frames:
                sentences = [language.canonical(str(labels[frame])) for frame in frames]
                seen = _with_one(seen_by_probe(self._features(episode))[frames])
                yield seen, np.array([self._model.embed_text(x) for x in sentences], np.float64)


def seen_by_probe(features: NDArray[np.float16]) -> Matrix:
    """Return what a probe sees at each frame of an episode.

    Args:
        features: of the trunk (F, C, h, w).

    Returns:
        (F, 8 C): the channels' means over each quarter of the picture, and how much these have
        changed since ``BEFORE`` frames before.
    """
    height, width = (size // 2 for size in features.shape[2:])
    parts = [
        features[:, :, rows, columns].mean((2, 3), dtype=np.float64)
        for rows in (slice(height), slice(height, None))
        for columns in (slice(width), slice(width, None))
    ]
    now = np.concatenate(parts, 1)
    before = now[np.maximum(np.arange(len(now)) - BEFORE, 0)]
    return np.concatenate([now, now - before], 1)


def _with_one(seen: Matrix) -> Matrix:
    """Append the constant that carries the mean."""
    return np.concatenate([seen, np.ones((len(seen), 1))], 1)


def _solve(gram: Matrix, moment: Matrix, ridge: float) -> Matrix:
    """Return the weights (P + 1, D) of a ridge regression."""
    strength = np.full(len(gram), ridge * np.trace(gram[:-1, :-1]) / (len(gram) - 1))
    strength[-1] = 0.0  # the mean costs nothing
    return np.asarray(np.linalg.solve(gram + np.diag(strength), moment), np.float64)


if __name__ == "__main__":
    main()
