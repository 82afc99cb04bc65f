# SPDX-License-Identifier: Apache-2.0
"""Top-1 accuracy of a model in training, by split, family of episodes and query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode
from vljepa_ros.recipes.default_model.frame_set import Features
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recipes.default_model.whole_streams import answers, frames_of_stream

EVERY = 3  # one frame of so many is asked


class _Question(NamedTuple):
    """A query to one group, its labels, and their canonical sentences (labels, width)."""

    number: int
    labels: list[str]
    sentences: Tensor


class Accuracy:
    """Each query's top-1 accuracy in percent, among the labels that its group shows.

    A group is a split's episodes of one family.
    """

    def __init__(
        self,
        episodes: Sequence[StoredEpisode],
        features: Features,
        text: FrozenText,
        queries: Sequence[str],
    ) -> None:
        """Take the episodes and what they are asked, in the order of QUERY_NAMES."""
        self._episodes, self._features = episodes, features
        self._queries = Tokens(
            *(torch.stack(x) for x in zip(*map(text.query, queries), strict=True))
        )
        self._questions = {
            group: [
                self._question(number, group, text)
                for number, name in enumerate(QUERY_NAMES)
                if self._labels(group, name)
            ]
            for group in sorted({_group(episode) for episode in episodes})
        }

    def __call__(self, model: VLJepaModel) -> dict[str, float]:
        """Measure a model."""
        hits: dict[str, list[NDArray[np.bool_]]] = {}
        for episode in self._episodes:
            for name, found in self._hits(model, episode).items():
                hits.setdefault(name, []).append(found)
        return {
            name: round(100 * float(np.concatenate(found).mean()), 2)
            for name, found in sorted(hits.items())
        }

    def _hits(self, model: VLJepaModel, episode: StoredEpisode) -> dict[str, NDArray[np.bool_]]:
        frames = frames_of_stream(len(episode), model.config.clip_rate_hz)
        stream = torch.from_numpy(self._features(episode)[frames]).float()
        embeddings = answers(model, stream, self._queries, EVERY)
        hits = {}
        for question in self._questions[_group(episode)]:
            name = QUERY_NAMES[question.number]
            bank = model.y_encoder.project(question.sentences)
            best = (embeddings[:, question.number] @ bank.T).argmax(-1)
            wanted = [episode.labels[name][frame] for frame in frames[::EVERY]]
            hits[f"{_group(episode)} {name}"] = np.array(
                [
                    question.labels[row] == label
                    for row, label in zip(best.tolist(), wanted, strict=True)
                    if label is not None
                ],
                bool,
            )
        return hits

    def _labels(self, group: str, name: str) -> list[str]:
        found = {x for e in self._episodes if _group(e) == group for x in e.labels[name]}
        return sorted(label for label in found if label is not None)

    def _question(self, number: int, group: str, text: FrozenText) -> _Question:
        labels = self._labels(group, QUERY_NAMES[number])
        canonical = [language.canonical(label) for label in labels]
        vectors = text.sentences(canonical)
        return _Question(number, labels, torch.stack([vectors[each] for each in canonical]))


def _group(episode: StoredEpisode) -> str:
    return f"{episode.path.parent.name} {episode.family}"
