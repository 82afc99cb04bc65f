# SPDX-License-Identifier: Apache-2.0
"""Top-1 accuracy of a model in training, by split, family of episodes and query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode
from vljepa_ros.recipes.default_model.frame_set import Features
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recipes.default_model.whole_streams import answers

EVERY = 3  # one frame of so many is asked


class _Question(NamedTuple):
    """A query to one group, its labels, and their canonical sentences (labels, width)."""

    number: int
    labels: Sequence[str]
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
        self._queries = text.queries(queries)
        groups: dict[str, list[StoredEpisode]] = defaultdict(list)
        for episode in episodes:
            groups[_group(episode)].append(episode)
        self._questions = {group: _questions(of, text) for group, of in groups.items()}

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
        frames, embeddings = answers(model, episode, self._features, self._queries, EVERY)
        hits = {}
        for question in self._questions[_group(episode)]:
            name = QUERY_NAMES[question.number]
            bank = model.y_encoder.project(question.sentences)
            best = (embeddings[:, question.number] @ bank.T).argmax(-1)
            wanted = [episode.labels[name][frame] for frame in frames]
            hits[f"{_group(episode)} {name}"] = np.array(
                [
                    question.labels[row] == label
                    for row, label in zip(best.tolist(), wanted, strict=True)
                    if label is not None
                ],
                bool,
            )
        return hits


def _questions(episodes: Sequence[StoredEpisode], text: FrozenText) -> list[_Question]:
    """Return the queries that have an answer in some episodes."""
    return [
        _Question(number, labels, text.unit_sentences([language.canonical(x) for x in labels]))
        for number, labels in enumerate(LabelSet.of(episodes).labels.values())
        if labels
    ]


def _group(episode: StoredEpisode) -> str:
    return f"{episode.path.parent.name} {episode.family}"
