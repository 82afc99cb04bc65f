# SPDX-License-Identifier: Apache-2.0
"""None of these: no phrase is told if even the nearest one is not similar enough.

A phrase's probability is one among the phrases; of two wrong answers one is always probable. Its
cosine does not depend on the others, so it can be compared with a threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import Signal, answer_signal

OFF = -1.0  # the least cosine there is


def none_of_these(found: Description, min_similarity: float) -> Description:
    """Return a description without its text if its cosine is below the threshold.

    One without a cosine (NaN) stays: its decoder does not choose among phrases.
    """
    is_below = min_similarity > OFF and found.cosine < min_similarity
    return replace(found, text="") if is_below else found


def answers_or_none(phrases: PhraseBank, min_similarity: Callable[[], float]) -> Signal:
    """Return the signal of the answers; while there is a threshold, "none of these" is one more.

    A change to it and from it is then found as any other.

    Args:
        phrases: the answers of each query.
        min_similarity: returns the threshold as it is now.
    """

    def signal(query: str, embedding: NDArray[np.float32]) -> NDArray[np.float64]:
        probabilities, threshold = phrases.probabilities(query, embedding), min_similarity()
        if threshold == OFF:
            return answer_signal(probabilities)
        nearest = phrases.best(query, embedding)
        none = _probability_of_none(nearest, threshold, phrases.logit_scale)
        return answer_signal(np.append(probabilities * (1.0 - none), none))

    return signal


def _probability_of_none(nearest: Description, min_similarity: float, logit_scale: float) -> float:
    """Return the probability of an answer whose cosine is the threshold, among all others.

    It is the most probable one if the nearest phrase is below the threshold.
    """
    logit = logit_scale * (min_similarity - nearest.cosine) + np.log(nearest.share)
    return float(np.exp(-np.logaddexp(0.0, -logit)))
