# SPDX-License-Identifier: Apache-2.0
"""Episodes of the recipe as labelled clips for the statistics of its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tqdm", reason="the recipe needs tqdm (make train-venv)")

from vljepa_ros.recipes.default_model.add_statistics import clips_of
from vljepa_ros.recipes.default_model.episode_file import write_episode
from vljepa_ros.recipes.default_model.episodes import (
    DROID,
    METAWORLD,
    QUERY_NAMES,
    StoredEpisode,
    instruction_labels,
    real,
    simulated,
)
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.runtime.bundle import Bundle

FRAMES = 24


def written(folder: Path, labels: dict[str, list[str | None]], family: str) -> StoredEpisode:
    """An episode of grey frames."""
    path = folder / "hammer_0000.npz"
    write_episode(path, [np.full((160, 160, 3), 90, np.uint8)] * FRAMES, {})
    return StoredEpisode(path, "hammer", labels, family)


def test_clips_end_every_four_frames_and_carry_the_phrase_of_their_newest_one(
    default_bundle: Path, tmp_path: Path
) -> None:
    bundle = Bundle.load(default_bundle)
    labels = {name: ["task:pressing the button"] * FRAMES for name in QUERY_NAMES}
    episode = written(tmp_path, labels, METAWORLD)
    clips = list(clips_of(bundle, [episode]))
    # a memory sees something at once; without one the first 15 frames make the first clip
    assert len(clips) == (3 if bundle.memory is None else 6)
    assert clips[0].recording == f"{tmp_path.name}/hammer_0000"
    assert set(clips[0].answers) == set(bundle.queries)
    assert set(clips[0].answers.values()) == {language.canonical("task:pressing the button")}
    assert clips[1].images[-3] is clips[0].images[-1], "so no frame is encoded twice"


def test_real_clips_are_not_known_because_no_phrase_answers_anything_about_them(
    tmp_path: Path,
) -> None:
    labels = {name: ["task:pressing the button"] * FRAMES for name in QUERY_NAMES}
    episode = written(tmp_path, labels, METAWORLD)
    clip = written(tmp_path, instruction_labels("wipe the pan", FRAMES), DROID)
    assert simulated([clip, episode]) == [episode]
    assert real([clip, episode]) == [clip], "they are the foreign ones"
