# SPDX-License-Identifier: Apache-2.0
"""The streams of a training step are what a robot's camera sends and its memory keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is tested where torch is installed")
pytest.importorskip("cv2")

from vljepa_ros.model.presets import DEFAULT_STREAMING  # noqa: E402
from vljepa_ros.recipes.default_model import drawn_streams  # noqa: E402
from vljepa_ros.recipes.default_model.drawn_streams import (  # noqa: E402
    DrawnStreams,
    StreamDraw,
    stay_in_memory,
)
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode  # noqa: E402
from vljepa_ros.recipes.default_model.frame_set import FrameSet  # noqa: E402

LENGTH, MEMORY = 32, 24
X = DEFAULT_STREAMING.x_encoder


def episode(family: str, frames: int, said: str = "rest:") -> StoredEpisode:
    return StoredEpisode(Path("x"), "t", {q: [said] * frames for q in QUERY_NAMES}, family)


def nothing(one: StoredEpisode) -> np.ndarray:
    return np.zeros((len(one), X.channels, X.grid, X.grid), np.float16)


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    of = [episode("metaworld", 40)] * 5 + [episode("droid", 20, "said:turn left")] * 3
    return FrameSet(of, nothing, DEFAULT_STREAMING)


def draw(frames: FrameSet, streams: int = 40, **shares: float) -> DrawnStreams:
    shares = shares or {"metaworld": 1.0, "droid": 1.0}
    drawn = StreamDraw(frames, shares, MEMORY, 5.0).draw(np.random.default_rng(0), streams, LENGTH)
    assert drawn.rows.shape == drawn.times.shape == drawn.kept.shape == (streams, LENGTH)
    return drawn


def is_last(frames: FrameSet, drawn: DrawnStreams) -> np.ndarray:
    """Whether a frame is the last one that a steady stream shows of its episode (B, T - 1)."""
    rows = drawn.rows[:, :-1]
    return rows + 2 >= frames.ends[rows]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No fault of a camera."""
    for name in ("OFF_GRID", "GAP", "JITTER", "MIRRORED", "RESTART"):
        monkeypatch.setattr(drawn_streams, name, 0.0)
    return monkeypatch


def test_a_steady_stream_has_a_frame_for_each_period_and_keeps_them(frames, steady) -> None:
    drawn = draw(frames)
    assert (np.diff(drawn.times) == 1).all() and drawn.kept.all()
    ends = is_last(frames, drawn)
    assert (np.diff(drawn.rows)[~ends] == 2).all()  # of 10 Hz, at 5 Hz
    assert ends.any(), "an episode is shorter than a stream, so another one follows"
    assert not drawn.mirrored.any()


def test_after_a_restart_the_memory_is_out_of_reach(frames, steady) -> None:
    steady.setattr(drawn_streams, "RESTART", 1.0)
    drawn = draw(frames)
    ends, apart = is_last(frames, drawn), np.diff(drawn.times)
    assert (apart[ends] == MEMORY + 1).all() and (apart[~ends] == 1).all()


def test_off_the_grid_frames_come_when_they_come_and_some_do_not_stay(frames, steady) -> None:
    steady.setattr(drawn_streams, "OFF_GRID", 1.0)
    drawn = draw(frames)
    assert set(np.unique(np.diff(drawn.times))) == {0.5, 1.0, 1.5}
    assert 0.6 < drawn.kept.mean() < 0.9
    assert (np.diff(drawn.times)[drawn.kept[:, 1:] & drawn.kept[:, :-1]] >= 0.75).all()


def test_frames_are_lost_and_stamps_jitter(frames, steady) -> None:
    steady.setattr(drawn_streams, "GAP", 0.2)
    steady.setattr(drawn_streams, "JITTER", 0.1)
    apart = np.diff(draw(frames).times)
    assert apart.min() > 0.7 and (apart > 1.9).mean() > 0.1


def test_what_is_said_about_left_and_right_is_not_mirrored(frames, steady) -> None:
    steady.setattr(drawn_streams, "MIRRORED", 1.0)
    assert draw(frames, metaworld=1.0, droid=1e-9).mirrored.all()
    assert not draw(frames, metaworld=1e-9, droid=1.0).mirrored.any()


def test_families_are_drawn_by_their_shares(frames, steady) -> None:
    first = draw(frames, 400, metaworld=3.0, droid=1.0).rows[:, 0]
    assert np.isin(first, frames.families["droid"]).mean() == pytest.approx(0.25, abs=0.07)


def test_a_memory_keeps_what_is_due() -> None:
    times = np.array([0.0, 0.5, 1.0, 1.7, 1.75, 30.0, 30.5])
    assert stay_in_memory(times).tolist() == [True, False, True, False, True, True, False]
