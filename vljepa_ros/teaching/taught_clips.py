# SPDX-License-Identifier: Apache-2.0
"""All clips that can be cut from recordings and their variations, and which of them a step shows.

A clip ends at a frame, has that frame's labels and reaches back in time. Before a recording began
nothing moved: its first frame stands for what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording
from vljepa_ros.teaching.trunk_cache import SeenRecording

_MOST_WEIGHT = 4.0


@dataclass(frozen=True)
class ClipCut:
    """Which frames a clip has.

    Attributes:
        lags: how many frames of the clip's rate each lies before the newest one, oldest first.
        stride: frames of the cached features from one frame of the clip's rate to the next.
    """

    lags: tuple[int, ...]
    stride: int

    def rows(self, end: int) -> NDArray[np.int64]:
        """Return the numbers of the frames of the clip that ends at ``end``."""
        return np.maximum(end - self.stride * np.array(self.lags), 0)


class TaughtClips:
    """The labelled clips of some recordings.

    Attributes:
        labels: number of the text (clips, queries), or ``UNLABELLED``.
        recording: number of the recording that each clip is from (clips).
        plain: whether the clip is of a recording as it is, not of a variation (clips).
    """

    def __init__(
        self,
        lessons: Lessons,
        seen: Sequence[tuple[int, SeenRecording]],
        shape: ClipCut,
    ) -> None:
        """Take recordings.

        Args:
            lessons: what is true in them.
            seen: numbers of recordings, and what the trunk saw of them. The first of a number is
                the recording as it is.
            shape: of the clips.

        Raises:
            ValueError: no clip has a label.
        """
        self.shape, self._seen = shape, [one for _, one in seen]
        rows = [
            np.stack([np.full(len(one.chosen), place), np.arange(len(one.chosen))], 1)
            for place, one in enumerate(self._seen)
        ]
        labels = [_labels(lessons, lessons.recordings[n], one) for n, one in seen]
        numbers = np.concatenate([np.full(len(one.chosen), n) for n, one in seen])
        first = {n: place for place, (n, _) in reversed(list(enumerate(seen)))}
        place = np.concatenate(rows)[:, 0]
        known = (np.concatenate(labels) != UNLABELLED).any(1)
        if not known.any():
            raise ValueError("no image of the recordings has a label: nothing can be learned")
        self._rows = np.concatenate(rows)[known]
        self.labels = np.concatenate(labels)[known]
        self.recording = numbers[known]
        self.plain = np.array([first[n] for n in self.recording]) == place[known]

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, lags: Sequence[int]) -> TaughtClips:
        """Return the same clips, of the newest frame and those so many frames before it only."""
        fewer = copy(self)
        fewer.shape = ClipCut((*sorted(lags, reverse=True), 0), self.shape.stride)
        return fewer

    def features(self, clips: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the trunk saw (B, T, C, rows, columns) of the clips of these numbers."""
        found = [
            self._seen[place].features[self.shape.rows(end)] for place, end in self._rows[clips]
        ]
        return np.stack(found).astype(np.float32)

    def shares(self) -> NDArray[np.float64]:
        """Return how often to show each clip (clips): every text of every query equally often."""
        shares = np.zeros(len(self))
        for labels in self.labels.T:
            known = labels != UNLABELLED
            counts = np.bincount(labels[known], minlength=1)
            shares[known] += 1 / counts[labels[known]] / np.count_nonzero(counts)
        whole: NDArray[np.float64] = shares / shares.sum()
        return whole

    def recall_shares(self) -> NDArray[np.float64]:
        """Return what a right answer adds to the mean recall over all texts (clips, queries)."""
        shares = np.zeros(self.labels.shape)
        for query, labels in enumerate(self.labels.T):
            known = labels != UNLABELLED
            shares[known, query] = 1 / np.bincount(labels[known])[labels[known]]
        whole: NDArray[np.float64] = shares / shares.sum()
        return whole

    def weights(self) -> NDArray[np.float32]:
        """Return how much each clip counts for each query (clips, queries).

        If there are several queries, showing the texts of one equally often shows those of the
        others as it comes; the weights make up for that.
        """
        shares, weights = self.shares(), np.zeros(self.labels.shape, np.float32)
        for query, labels in enumerate(self.labels.T):
            known = labels != UNLABELLED
            shown = np.bincount(labels[known], shares[known])
            fair = shares[known].sum() / np.count_nonzero(shown)
            weights[known, query] = np.minimum(fair / shown[labels[known]], _MOST_WEIGHT)
        return weights


def _labels(
    lessons: Lessons, recording: TaughtRecording, seen: SeenRecording
) -> NDArray[np.int32]:
    """Return the labels (m, queries) of what was seen of a recording."""
    return np.stack([recording.labels[query][seen.chosen] for query in lessons.texts], 1)
