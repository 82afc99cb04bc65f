# SPDX-License-Identifier: Apache-2.0
"""Every text counts the same, and frames without a label do not count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="benchmarks need tqdm (make train-venv)")

from benchmarks.teach.datasets import QUERY
from benchmarks.zero_shot import zero_shot_recall
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording

QUESTION = "What is the robot doing?"
TEXTS = ("the robot is not moving", "the robot pulls the drawer open")


def of_a_grey_picture(labels: Sequence[int]) -> Lessons:
    """A recording in which nothing ever happens, whatever its labels say."""
    count = len(labels)
    recording = TaughtRecording(
        "grey",
        "grey",
        np.arange(count) / 5,
        np.full((count, 160, 160, 3), 90, np.uint8),
        {QUERY: np.array(labels, np.int32)},
    )
    return Lessons({QUERY: QUESTION}, {QUERY: TEXTS}, (recording,))


@pytest.fixture(scope="module")
def model(default_bundle: Path) -> VLJepa:
    return VLJepa.load(default_bundle, threads=1)


def test_a_model_that_always_says_the_same_has_the_recall_of_a_guess(model: VLJepa) -> None:
    assert zero_shot_recall(model, of_a_grey_picture([0] * 9 + [1])) == 0.5
    assert zero_shot_recall(model, of_a_grey_picture([0] + [1] * 9)) == 0.5


def test_frames_without_a_label_do_not_count(model: VLJepa) -> None:
    recalls = {
        zero_shot_recall(model, of_a_grey_picture([text] + [UNLABELLED] * 3)) for text in (0, 1)
    }
    assert recalls == {0.0, 1.0}
