# SPDX-License-Identifier: Apache-2.0
"""The labels of the training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode


def is_instruction(label: str) -> bool:
    """Whether a label is a sentence that somebody said of a real clip: no phrase of a bundle."""
    return label.startswith("said:")


@dataclass(frozen=True)
class LabelSet:
    """Every label of the training set, grouped by query."""

    labels: dict[str, tuple[str, ...]]

    @staticmethod
    def of(episodes: Sequence[StoredEpisode]) -> LabelSet:
        """Collect the labels that occur, in a fixed order; a frame may have none."""
        labels = {}
        for name in QUERY_NAMES:
            found = {label for episode in episodes for label in episode.labels[name] if label}
            labels[name] = tuple(sorted(found))
        return LabelSet(labels)

    def all(self) -> list[str]:
        """Return the labels of all queries, concatenated."""
        return [label for name in QUERY_NAMES for label in self.labels[name]]

    def rows(self) -> dict[tuple[str, str], int]:
        """Return each (query, label)'s row in ``all``."""
        pairs = [(name, label) for name in QUERY_NAMES for label in self.labels[name]]
        return {pair: row for row, pair in enumerate(pairs)}
