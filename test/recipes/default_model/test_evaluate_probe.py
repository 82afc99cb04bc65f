# SPDX-License-Identifier: Apache-2.0
"""A linear probe finds what lies in the features, and is judged as a model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tqdm", reason="the recipe needs tqdm (make train-venv)")

from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode
from vljepa_ros.recipes.default_model.evaluate_episodes import evaluate
from vljepa_ros.recipes.default_model.evaluate_probe import BEFORE, LinearProbe, seen_by_probe
from vljepa_ros.runtime.model import VLJepa

FRAMES, CHANNELS = 40, 3
TASKS = ("task:opening the drawer", "task:closing the drawer")


def labelled(name: str, tasks: Sequence[str | None]) -> StoredEpisode:
    unknown: list[str | None] = [None] * len(tasks)
    return StoredEpisode(
        Path("train") / name, name, {query: unknown for query in QUERY_NAMES} | {"task": tasks}
    )


def noise(episode: StoredEpisode) -> NDArray[np.float16]:
    rng = np.random.default_rng(len(episode.task))
    return rng.normal(size=(len(episode), CHANNELS, 4, 4)).astype(np.float16)


def told_by_a_corner(episode: StoredEpisode) -> NDArray[np.float16]:
    """Features (F, C, 4, 4): the last channel of the lower right quarter tells the task."""
    features = noise(episode)
    opens = np.array([task == TASKS[0] for task in episode.labels["task"]])
    features[:, -1, 2:, 2:] = np.where(opens, 3, -3)[:, None, None]
    return features


@pytest.fixture
def changing() -> StoredEpisode:
    return labelled("changing", [TASKS[0]] * (FRAMES // 2) + [TASKS[1]] * (FRAMES // 2))


def test_it_finds_what_the_features_tell(model: VLJepa, changing: StoredEpisode) -> None:
    probe = LinearProbe(model, told_by_a_corner, [changing], [changing])
    found = probe.judge([labelled("other way round", changing.labels["task"][::-1])])
    assert set(found) == {"task"}, "nothing else had an answer"
    assert found["task"]["top1"] == 100
    assert found["task"]["majority"] == 50


def test_without_a_sign_in_the_features_it_guesses(model: VLJepa, changing: StoredEpisode) -> None:
    probe = LinearProbe(model, noise, [changing], [changing])
    assert probe.judge([labelled("another", changing.labels["task"])])["task"]["top1"] < 90


def test_it_is_judged_on_the_frames_that_a_model_is_judged_on(
    model: VLJepa, episode: StoredEpisode
) -> None:
    probe = LinearProbe(model, noise, [episode], [episode])
    theirs, ours = evaluate(model, [episode]), probe.judge([episode])
    for name in ("held", "task"):
        for column in ("clips", "candidates", "majority", "chance"):
            assert ours[name][column] == theirs[name][column]


def test_it_learns_from_labelled_frames_alone(model: VLJepa, changing: StoredEpisode) -> None:
    tasks = list(changing.labels["task"])
    tasks[10:30] = [None] * 20
    some = replace(changing, labels={**changing.labels, "task": tasks})
    probe = LinearProbe(model, told_by_a_corner, [some], [some])
    assert probe.judge([some])["task"]["clips"] == 10


def test_it_sees_quarters_and_how_they_changed() -> None:
    features = np.zeros((BEFORE + 2, 1, 4, 4), np.float16)
    features[:, 0, 2:, :2] = 1
    features[-1, 0, :2, 2:] = 4
    seen = seen_by_probe(features)
    assert seen.shape == (BEFORE + 2, 8)
    assert seen[-1].tolist() == [0, 4, 1, 0, 0, 4, 0, 0]
    assert (seen[:-1] == [0, 0, 1, 0, 0, 0, 0, 0]).all()
