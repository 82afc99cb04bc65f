# SPDX-License-Identifier: Apache-2.0
"""What is measured of a bundle on stored episodes: which frames, labels and candidates."""

from __future__ import annotations

import pytest

pytest.importorskip("tqdm", reason="the recipe needs tqdm (make train-venv)")

from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode, stride
from vljepa_ros.recipes.default_model.evaluate_episodes import (
    JudgedFrames,
    _add,
    _labels_of,
    _summary,
    evaluate,
)
from vljepa_ros.runtime.model import VLJepa


def test_every_labelled_frame_that_the_model_sees_is_measured(
    model: VLJepa, episode: StoredEpisode
) -> None:
    assert stride(model.bundle.clip.rate_hz) == 2, "frames 0, 2, 4, 6 and 8 are seen"
    found = evaluate(model, [episode])
    assert set(found) == {"held", "task"}
    assert found["held"]["clips"] == 3
    assert found["held"]["candidates"] == len(model.phrases.texts["held"])
    assert found["held"]["majority"] == 100
    assert found["task"]["clips"] == 5
    assert found["task"]["majority"] == 60


def test_a_label_at_most_two_frames_away_is_near(model: VLJepa, episode: StoredEpisode) -> None:
    answers = {name: JudgedFrames() for name in QUERY_NAMES}
    _add(answers, model, episode)
    opening, closing = episode.labels["task"][0], episode.labels["task"][-1]
    both = {opening, closing}
    assert answers["task"].near == [{opening}, both, both, {closing}, {closing}]


def test_a_phrase_is_the_label_that_it_is_the_sentence_of() -> None:
    phrases = ("the robot is opening the drawer", "the drawer is open")
    present = {"task:opening the drawer"}
    assert _labels_of(phrases, present) == ["task:opening the drawer", "state:the drawer is open"]


def test_what_was_said_of_real_clips_competes_with_its_likes() -> None:
    said = {"said:wipe the pan", "said:fold the towel"}
    assert _labels_of(("the robot waits",), said) == sorted(said)


def test_several_bundles_give_a_median_and_a_range() -> None:
    assert _summary([50.0]) == "50.0"
    assert _summary([48.0, 50.0, 60.0]) == "50.0 (48.0-60.0)"
