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
)
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, StoredEpisode  # noqa: E402
from vljepa_ros.recipes.default_model.frame_set import FrameSet  # noqa: E402

TUBELETS, TUBELET, MEMORY = 6, 4, 24
X = DEFAULT_STREAMING.x_encoder


def episode(family: str, frames: int, said: str = "rest:") -> StoredEpisode:
    return StoredEpisode(Path("x"), "t", {q: [said] * frames for q in QUERY_NAMES}, family)


def nothing(one: StoredEpisode) -> np.ndarray:
    return np.zeros((len(one), X.channels, X.grid, X.grid), np.float16)


@pytest.fixture(scope="module")
def frames() -> FrameSet:
    of = [episode("metaworld", 60)] * 5 + [episode("droid", 40, "said:turn left")] * 3
    return FrameSet(of, nothing, DEFAULT_STREAMING)


def draw(frames: FrameSet, streams: int = 200, **shares: float) -> DrawnStreams:
    shares = shares or {"metaworld": 1.0, "droid": 1.0}
    source = StreamDraw(frames, shares, tubelet=TUBELET, memory=MEMORY, rate_hz=5.0)
    drawn = source.draw(np.random.default_rng(0), streams, TUBELETS)
    assert drawn.rows.shape == (streams, TUBELETS, TUBELET)
    assert drawn.times.shape == (streams, TUBELETS)
    return drawn


def seen(drawn: DrawnStreams) -> np.ndarray:
    """Which tubelets the last one has in its memory, by their times alone (B, N)."""
    return drawn.times[:, -1:] - drawn.times < MEMORY


def whole(frames: FrameSet, drawn: DrawnStreams) -> np.ndarray:
    """Which streams lie in one episode from their first frame on (B)."""
    newest = drawn.rows[:, -1, -1]
    return newest - 2 * (TUBELETS * TUBELET - 1) >= frames.begins[newest]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No fault of a camera."""
    for name in ("BETWEEN", "UNEVEN", "LOST_SHARE", "JITTER", "MIRRORED", "CHANGED"):
        monkeypatch.setattr(drawn_streams, name, 0.0)
    return monkeypatch


def test_a_steady_stream_has_a_frame_for_each_period(frames, steady) -> None:
    drawn = draw(frames)
    inside = whole(frames, drawn)
    assert 0 < inside.mean() < 0.5, "most of these streams begin with their episode"
    frames_of = drawn.rows.reshape(len(drawn.rows), -1)[inside]
    assert (np.diff(frames_of) == 2).all()  # of 10 Hz, at 5 Hz
    assert (np.diff(drawn.times)[inside] == TUBELET).all() and seen(drawn)[inside].all()
    assert not drawn.mirrored.any()


def test_every_frame_is_the_last_of_a_stream_as_often_as_any_other(frames, steady) -> None:
    last = draw(frames, 10_000, metaworld=0.7, droid=0.3).rows[:, -1, -1]
    assert set(last) == set(range(len(frames.ends)))
    place = (last - frames.begins[last]) / (frames.ends[last] - frames.begins[last])
    assert place.mean() == pytest.approx(0.5, abs=0.02)


def test_before_its_episode_a_stream_has_not_begun(frames, steady) -> None:
    drawn = draw(frames)
    newest = drawn.rows[:, -1, -1]
    first = frames.begins[newest][:, None]
    ago = 2 * TUBELET * np.arange(TUBELETS)[::-1]  # rows from the end of a tubelet to the newest
    assert (seen(drawn) == (newest[:, None] - ago >= first)).all() and not seen(drawn).all()
    rows = drawn.rows.reshape(len(drawn.rows), -1)
    steady_rows = newest[:, None] - 2 * np.arange(TUBELETS * TUBELET)[::-1]
    assert (rows == np.maximum(steady_rows, first)).all(), "the first frame stands still"


def test_another_episode_stands_before_it_without_notice(frames, steady) -> None:
    steady.setattr(drawn_streams, "CHANGED", 1.0)
    drawn = draw(frames)
    assert seen(drawn).all() and (np.diff(drawn.times) == TUBELET).all()
    rows = drawn.rows.reshape(len(drawn.rows), -1)
    own = rows >= frames.begins[rows[:, -1:]]
    own &= rows < frames.ends[rows[:, -1:]]
    joints = np.flatnonzero(~own[:, 0])
    assert len(joints) > 100
    for stream in joints:
        before = rows[stream, ~own[stream]]
        assert before[-1] >= frames.ends[before[-1]] - 2, "its last frame, or the one before"
        assert (frames.begins[before] == frames.begins[before[-1]]).all()


def test_tubelets_are_even_and_the_newest_one_comes_when_it_comes(frames, steady) -> None:
    steady.setattr(drawn_streams, "BETWEEN", 1.0)
    steady.setattr(drawn_streams, "UNEVEN", 1.0)
    drawn = draw(frames)
    inside = drawn.rows[:, 0, 0] > frames.begins[drawn.rows[:, -1, -1]]
    assert inside.sum() > 10 and (np.diff(drawn.rows[inside]) == 2).all()
    spans = np.diff(drawn.rows[inside][..., -1])
    assert set(spans[:, :-1].flatten()) == {7, 8, 9} and set(spans[:, -1]) <= {6, 7, 8}
    assert (np.diff(drawn.times)[inside] == spans / 2).all()


def test_frames_are_lost_and_stamps_jitter(frames, steady) -> None:
    steady.setattr(drawn_streams, "LOST_SHARE", 0.2)
    steady.setattr(drawn_streams, "JITTER", 0.1)
    drawn = draw(frames)
    both = seen(drawn)[:, 1:] & seen(drawn)[:, :-1]
    apart = np.diff(drawn.times)[both]
    assert apart.min() > TUBELET - 0.2 and 0.05 < (apart > TUBELET + 0.7).mean() < 0.3
    assert np.unique(apart).size > 100


def test_what_is_said_about_left_and_right_is_not_mirrored(frames, steady) -> None:
    steady.setattr(drawn_streams, "MIRRORED", 1.0)
    assert draw(frames, metaworld=1.0, droid=1e-9).mirrored.all()
    assert not draw(frames, metaworld=1e-9, droid=1.0).mirrored.any()


def test_families_are_drawn_by_their_shares(frames, steady) -> None:
    last = draw(frames, 400, metaworld=3.0, droid=1.0).rows[:, -1, -1]
    assert np.isin(last, frames.families["droid"]).mean() == pytest.approx(0.25, abs=0.07)
