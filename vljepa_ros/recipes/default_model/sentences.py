# SPDX-License-Identifier: Apache-2.0
"""The texts of a training step: one sentence of every label, and the queries.

The candidates of a step are one sentence for *every* label, not the answers of the batch: in-batch
candidates make a frequent answer its own negative and so suppress it. Further candidates differ
from a label in one word and are never right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.counterfactuals import counterfactual_labels
from vljepa_ros.recipes.default_model.texts import FrozenText

TEXT_NOISE = 0.15
NEGATIVES = 16  # candidates of a step for each query that mean no label
WORDINGS = 40  # of a label, at most; mixes fill the space between them
WORDINGS_OF_OTHERS = 6  # of what means no label, at most


class Sentences:
    """Sentences of every label's paraphrases and of others, and the queries' token states.

    Attributes:
        groups: the query that each candidate answers, int64 (candidates,); see
            :class:`~vljepa_ros.training.batch.Batch`.
    """

    def __init__(self, label_set: LabelSet, text: FrozenText) -> None:
        labels = label_set.all()
        others = [counterfactual_labels(label_set.labels[name]) for name in QUERY_NAMES]
        wordings = [_some(label, WORDINGS) for label in labels]
        wordings += [_some(label, WORDINGS_OF_OTHERS) for of in others for label in of]
        self._vectors = text.unit_sentences([sentence for of in wordings for sentence in of])
        self._count = np.array([len(of) for of in wordings])
        self._first = np.cumsum(self._count) - self._count
        self._labels = np.arange(len(labels))
        ends = np.cumsum([len(labels), *map(len, others)])
        self._others = [np.arange(*span) for span in pairwise(ends)]
        asked = [[text.query(x) for x in language.training_queries(name)] for name in QUERY_NAMES]
        self._queries = [wordings + _moved(wordings) for wordings in asked]
        answered = [len(label_set.labels[name]) for name in QUERY_NAMES]
        denied = [min(NEGATIVES, len(of)) for of in others]
        numbers = torch.arange(len(QUERY_NAMES))
        self.groups = torch.cat(
            [numbers.repeat_interleave(torch.tensor(of)) for of in (answered, denied)]
        )

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Return the candidates of a step (candidates, text width).

        They are one sentence of each label, and then NEGATIVES sentences for each query that mean
        no label of it. A sentence is a mix of two paraphrases with a little noise. The mix and the
        noise fill the space between the sentences, so that an unseen wording still lands near its
        meaning.
        """
        others = [rng.choice(of, min(NEGATIVES, len(of)), replace=False) for of in self._others]
        chosen = np.concatenate([self._labels, *others])
        first, second = self._first[chosen] + rng.integers(
            0, self._count[chosen], (2, len(chosen))
        )
        share = torch.from_numpy(rng.random((len(chosen), 1), np.float32))
        mixed = normalize(torch.lerp(self._vectors[first], self._vectors[second], share), dim=-1)
        noise = torch.from_numpy(rng.standard_normal(mixed.shape, np.float32))
        return mixed + TEXT_NOISE / mixed.shape[-1] ** 0.5 * noise

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


def _some(label: str, count: int) -> list[str]:
    """Return a few of a label's sentences, always the same ones, the canonical one first."""
    canonical, *others = language.training_paraphrases(label)
    return [canonical, *np.random.default_rng(0).permutation(others)[: count - 1].tolist()]


def _moved(wordings: Sequence[Tokens]) -> list[Tokens]:
    """Return the wordings of a query, each moved toward another one, as sentences are mixed."""
    rng = np.random.default_rng(0)
    means = [values[mask].mean(0) for values, mask in wordings]
    moved = []
    for (values, mask), mean in zip(wordings, means, strict=True):
        other, share = means[rng.integers(len(means))], float(rng.random())
        moved.append(Tokens(values + share * (other - mean) * mask[:, None], mask))
    return moved
