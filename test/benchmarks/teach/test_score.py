# SPDX-License-Identifier: Apache-2.0
"""Every text counts the same, and a label is near by time, whatever the rate."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the benchmark needs torch")

from benchmarks.teach.score import score
from vljepa_ros.teaching.taught_clips import ClipCut, TaughtClips
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording
from vljepa_ros.teaching.trunk_cache import SeenRecording


def clips(labels: list[list[int]]) -> TaughtClips:
    """The clips of recordings with these labels of their frames."""
    recordings = tuple(
        TaughtRecording(
            str(number),
            str(number),
            np.arange(len(of_one)) / 10,
            np.zeros((len(of_one), 2, 2, 3), np.uint8),
            {"action": np.array(of_one, np.int32)},
        )
        for number, of_one in enumerate(labels)
    )
    lessons = Lessons({"action": "what?"}, {"action": ("waits", "goes")}, recordings)
    seen = [
        (
            number,
            SeenRecording(np.zeros((len(of_one), 1, 2, 2), np.float16), np.arange(len(of_one))),
        )
        for number, of_one in enumerate(labels)
    ]
    return TaughtClips(lessons, seen, ClipCut((0,), 1))


def test_a_rare_text_counts_as_much_as_a_frequent_one() -> None:
    found = score(np.zeros(10, int), clips([[0] * 9 + [1]]), 1.0)
    assert found.exact == 0.5


@pytest.mark.parametrize(("rate_hz", "near"), [(5.0, 2), (10.0, 4)])
def test_a_label_within_four_tenths_of_a_second_is_near(rate_hz: float, near: int) -> None:
    found = score(np.zeros(20, int), clips([[0] * 10 + [1] * 10]), rate_hz)
    assert found.exact == 0.5
    assert found.near == pytest.approx((1 + near / 10) / 2)


def test_a_label_of_another_recording_is_not_near() -> None:
    found = score(np.zeros(10, int), clips([[0] * 5, [1] * 5]), 5.0)
    assert found.near == 0.5
