# SPDX-License-Identifier: Apache-2.0
"""The annotated video can be played, keeps the images' times, and counts what it lacks."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vljepa_ros.demo.annotated_video import AnnotatedVideo
from vljepa_ros.views.board import BoardView, QueryView
from vljepa_ros.views.overlay import OverlayPainter

MS = 1_000_000
VIEW = BoardView(0, (QueryView("action", "What?"),), 0.0, None, None)


def written(path: Path, frames: list[tuple[int, np.ndarray]]) -> AnnotatedVideo:
    with AnnotatedVideo(path, OverlayPainter()) as video:
        for stamp_ns, image in frames:
            video.add(stamp_ns, image, VIEW)
    return video


def grey(value: int, width: int = 401) -> np.ndarray:
    return np.full((300, width, 3), value, np.uint8)


def test_the_video_shows_every_image_at_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    stamps_ms = [0, 100, 250, 1250]
    video = written(path, [(10**18 + ms * MS, grey(60 * n)) for n, ms in enumerate(stamps_ms)])
    assert (video.error, video.left_out) == (None, 0)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        frames = list(container.decode(video=0))
    assert [round(1000 * frame.time) for frame in frames] == stamps_ms
    values = [int(frame.to_ndarray(format="rgb24")[100, 100, 0]) for frame in frames]
    assert np.allclose(values, [0, 60, 120, 180], atol=4)


def test_an_image_that_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    frames = [(0, grey(0)), (100 * MS, grey(9, width=500)), (50 * MS, grey(9)), (10 * MS, grey(9))]
    assert written(tmp_path / "a.mp4", frames).left_out == 2


def test_a_folder_that_does_not_exist_is_told_and_blocks_nothing(tmp_path: Path) -> None:
    frames = [(n * MS, grey(0)) for n in range(200)]
    video = written(tmp_path / "nowhere" / "a.mp4", frames)
    assert isinstance(video.error, OSError)
    assert video.left_out > 0


def test_a_folder_with_a_colon_is_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("12:30") / "a.mp4"
    path.parent.mkdir()
    assert written(path, [(0, grey(0))]).error is None
    assert path.is_file()


def test_without_images_there_is_no_video(tmp_path: Path) -> None:
    video = written(tmp_path / "a.mp4", [])
    assert video.error is None
    assert not list(tmp_path.iterdir())
