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
from collections.abc import Mapping, Sequence
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
    Figures,
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
        tried = {
            (name, ridge): _solve(*sums, ridge)
            for name, sums in self._sums(trained).items()
            for ridge in RIDGES
        }
        right = self._judge(tried, validation)
        self._weights: dict[tuple[str, float], Matrix] = {}
        for name in dict.fromkeys(name for name, _ in tried):
            shares = [right.get((name, ridge), {}).get("top1", 0.0) for ridge in RIDGES]
            best = name, RIDGES[int(np.argmax(shares))]
            self._weights[best] = tried[best]

    def judge(self, episodes: Sequence[StoredEpisode]) -> Figures:
        """Return the figures of every query that has an answer in the episodes."""
        return {name: found for (name, _), found in self._judge(self._weights, episodes).items()}

    def _judge(
        self, weights: Mapping[tuple[str, float], Matrix], episodes: Sequence[StoredEpisode]
    ) -> dict[tuple[str, float], dict[str, float]]:
        """Return the figures of weights by query and strength, if the query has an answer."""
        answers = {key: JudgedFrames() for key in weights}
        step = stride(self._model.bundle.clip.rate_hz)
        for episode in episodes:
            seen = self._seen(episode)
            for (name, ridge), matrix in weights.items():
                labels = episode.labels[name]
                frames = [i for i in range(0, len(episode), step) if labels[i] is not None]
                found = (seen[frames] @ matrix).astype(np.float32)
                for frame, embedding in zip(frames, found, strict=True):
                    answers[name, ridge].add(labels, frame, embedding, embedding)
        return {
            (name, ridge): figures(self._model, name, found)
            for (name, ridge), found in answers.items()
            if found.labels
        }

    def _sums(self, episodes: Sequence[StoredEpisode]) -> dict[str, tuple[Matrix, Matrix]]:
        """Return X'X and X'Y of each query over the frames in which it has an answer."""
        sums: dict[str, tuple[Matrix, Matrix]] = {}
        for episode in tqdm(episodes, "probe"):
            all_seen = self._seen(episode)
            for name in QUERY_NAMES:
                labels = episode.labels[name]
                frames = [i for i in range(0, len(episode), LEARNT) if labels[i] is not None]
                if not frames:
                    continue
                sentences = [language.canonical(str(labels[frame])) for frame in frames]
                wanted = np.array([self._model.embed_text(x) for x in sentences], np.float64)
                seen = all_seen[frames]
                gram, moment = sums.get(name, (0.0, 0.0))
                sums[name] = gram + seen.T @ seen, moment + seen.T @ wanted
        return sums

    def _seen(self, episode: StoredEpisode) -> Matrix:
        """Return what the probe sees of an episode (F, P), and the 1 that carries the mean."""
        seen = seen_by_probe(self._features(episode))
        return np.concatenate([seen, np.ones((len(seen), 1))], 1)


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


def _solve(gram: Matrix, moment: Matrix, ridge: float) -> Matrix:
    """Return the weights (P + 1, D) of a ridge regression."""
    strength = np.full(len(gram), ridge * np.trace(gram[:-1, :-1]) / (len(gram) - 1))
    strength[-1] = 0.0  # the mean costs nothing
    return np.asarray(np.linalg.solve(gram + np.diag(strength), moment), np.float64)


if __name__ == "__main__":
    main()
