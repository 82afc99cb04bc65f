# SPDX-License-Identifier: Apache-2.0
"""The labels of the data, their sentences, and which labels are never trained.

A label that is never trained is a composition of known parts: its verb is trained with other
things, and its thing with other verbs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language

COMPOSED = "action"  # the query whose labels have a verb and a thing
_LEFT_OUT = 8
_OTHERS = 2  # trained labels that must share the verb, and that must share the thing
_MOST_PARAPHRASES = 24  # per label, spread evenly over what the grammar makes


@dataclass(frozen=True)
class Wordings:
    """Labels with their sentences.

    Attributes:
        label_set: all labels.
        left_out: those of the query ``COMPOSED`` that are never trained.
    """

    label_set: LabelSet
    left_out: frozenset[str]

    @staticmethod
    def of(episodes: Sequence[StoredEpisode], seed: int = 0) -> Wordings:
        """Collect the labels of training episodes, and choose those that are left out."""
        found = LabelSet.of(episodes)
        random = np.random.default_rng(seed)
        return Wordings(found, _compositions(found.labels[COMPOSED], random))

    @cached_property
    def all(self) -> list[tuple[str, str]]:
        """Every query and label; their places are the labels' numbers."""
        return list(self.numbers)

    @cached_property
    def numbers(self) -> dict[tuple[str, str], int]:
        """The number of every query and label."""
        return self.label_set.rows()

    @cached_property
    def trained(self) -> NDArray[np.int64]:
        """The numbers of the labels that are trained."""
        hidden = {(COMPOSED, label) for label in self.left_out}
        return np.array([n for n, pair in enumerate(self.all) if pair not in hidden])

    @cached_property
    def paraphrases(self) -> list[list[str]]:
        """The sentences of every label, the canonical one first."""
        return [_some(language.training_paraphrases(label)) for label in self.label_set.all()]

    def of_query(self, name: str) -> slice:
        """Return the numbers of a query's labels."""
        labels = self.label_set.labels
        first = sum(len(labels[each]) for each in QUERY_NAMES[: QUERY_NAMES.index(name)])
        return slice(first, first + len(labels[name]))

    def draw(self, random: np.random.Generator) -> list[str]:
        """Return a sentence of every trained label."""
        return [
            self.paraphrases[n][random.integers(len(self.paraphrases[n]))] for n in self.trained
        ]

    def targets(self, episode: StoredEpisode) -> NDArray[np.int64]:
        """Return the numbers (frames, queries) of the labels; -1 if there is no known one."""
        of_queries = [
            [self.numbers.get((name, label), -1) for label in episode.labels[name]]
            for name in QUERY_NAMES
        ]
        return np.array(of_queries).T


def _some(sentences: list[str]) -> list[str]:
    count = min(len(sentences), _MOST_PARAPHRASES)
    return [sentences[n] for n in np.linspace(0, len(sentences) - 1, count).astype(int)]


def _compositions(labels: Sequence[str], random: np.random.Generator) -> frozenset[str]:
    """Choose labels whose verb and thing stay in others."""
    left: list[str] = []
    for number in random.permutation(len(labels)):
        rest = [label for label in labels if label not in {*left, labels[number]}]
        verb, _, thing = labels[number].partition(":")
        same_verb = sum(other.partition(":")[0] == verb for other in rest)
        same_thing = sum(other.partition(":")[2] == thing for other in rest)
        if thing and min(same_verb, same_thing) >= _OTHERS and len(left) < _LEFT_OUT:
            left.append(labels[number])
    return frozenset(left)
