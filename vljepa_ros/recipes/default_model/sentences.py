# SPDX-License-Identifier: Apache-2.0
"""The texts of a training step: one sentence of every label, and the queries.

The candidates of a step are one sentence for *every* label, not the answers of the batch: in-batch
candidates make a frequent answer its own negative and so suppress it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText

TEXT_NOISE = 0.15


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
