# SPDX-License-Identifier: Apache-2.0
"""How often the newest frame of a clip is named rightly, every text counting the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.taught_clips import TaughtClips

NEAR_S = 0.4  # the borders of states are a matter of taste


class Score(NamedTuple):
    """Mean recall over the texts, 0..1: of the frame's own text, and of one within ``NEAR_S``."""

    exact: float
    near: float


def score(found: NDArray[np.int64], clips: TaughtClips, rate_hz: float) -> Score:
    """Return the score of answers (clips) to the first query.

    Args:
        found: numbers of texts.
        clips: what was asked about.
        rate_hz: how many clips end in a second.
    """
    labels, reach = clips.labels[:, 0], round(NEAR_S * rate_hz)
    exact = found == labels
    near = np.zeros(len(labels), bool)
    for shift in range(-reach, reach + 1):
        other = np.clip(np.arange(len(labels)) + shift, 0, len(labels) - 1)
        near |= (found == labels[other]) & (clips.recording == clips.recording[other])
    return Score(mean_recall(exact, labels), mean_recall(near, labels))


def mean_recall(hits: NDArray[np.bool_], labels: NDArray[np.int32]) -> float:
    """Return the share of hits (clips) in the mean over the texts that the labels number, 0..1."""
    return float(np.mean([hits[labels == text].mean() for text in np.unique(labels)]))
