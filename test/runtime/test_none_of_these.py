# SPDX-License-Identifier: Apache-2.0
"""If even the nearest phrase is not similar enough, the answer is none of these."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.decoder import Description
from vljepa_ros.runtime.none_of_these import OFF, answers_or_none, none_of_these
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import ANSWERS, choose_signal
from vljepa_ros.stream.vectors import softmax, unit

OPEN, CLOSED, STRANGE = np.eye(3, dtype=np.float32)
SCALE = 20.0


@pytest.fixture
def bank() -> PhraseBank:
    return PhraseBank({"door": ["open", "closed"]}, [OPEN, CLOSED], SCALE)


def leaning(cosine: float) -> NDArray[np.float32]:
    """An embedding with this cosine to "open", and for the rest like no phrase."""
    return unit(cosine * OPEN + math.sqrt(1 - cosine**2) * STRANGE)


@pytest.mark.parametrize(
    ("cosine", "text"), [(0.9, "open"), (0.6, "open"), (0.59, ""), (-1.0, ""), (math.nan, "open")]
)
def test_a_text_below_the_threshold_is_left_out(cosine: float, text: str) -> None:
    found = none_of_these(Description("open", 0.8, cosine), 0.6)
    assert (found.text, found.share) == (text, 0.8)


def test_without_a_threshold_the_signal_is_that_of_the_answers(bank: PhraseBank) -> None:
    ours, plain = answers_or_none(bank, lambda: OFF), choose_signal(ANSWERS, bank)
    np.testing.assert_array_equal(ours("door", leaning(0.7)), plain("door", leaning(0.7)))


@pytest.mark.parametrize("cosine", [0.9, 0.61, 0.6, 0.3, 0.0])
def test_none_is_an_answer_whose_cosine_is_the_threshold(bank: PhraseBank, cosine: float) -> None:
    found = answers_or_none(bank, lambda: 0.6)("door", leaning(cosine)) ** 2
    np.testing.assert_allclose(found, softmax(SCALE * np.array([cosine, 0.0, 0.6])), atol=1e-6)


def test_what_leaves_all_phrases_changes_the_signal_only_with_a_threshold() -> None:
    """A single phrase stays the most probable one, however little it fits."""
    alone = PhraseBank({"door": ["open"]}, [OPEN], 1e4)
    for threshold, apart in ((OFF, 0.0), (0.6, 2.0)):
        signal = answers_or_none(alone, lambda threshold=threshold: threshold)
        step = signal("door", leaning(0.9)) - signal("door", leaning(0.1))
        assert float(step @ step) == pytest.approx(apart, abs=1e-6)
