# SPDX-License-Identifier: Apache-2.0
"""A video gives its images in order with its own times, or says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.recordings import seen, write_video
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError

MS = 1_000_000
SEQUENCE = ["red", "green", "blue", "black", "green"]


def test_a_video_gives_its_images_at_its_own_times(tmp_path: Path) -> None:
    with open_source(str(write_video(tmp_path / "a.mp4", SEQUENCE, rate_hz=5.0))) as source:
        assert seen(source) == SEQUENCE
        stamps = [frame.stamp_ns // MS for frame in source.frames()]
    assert stamps == [0, 200, 400, 600, 800]
    assert not source.problems


def test_a_text_file_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("this is no video")
    with pytest.raises(SourceError, match="is not a video"):
        open_source(str(path))


def test_a_video_whose_end_is_damaged_is_played_to_there_and_reported(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ["red", "green", "blue", "black"] * 25)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_source(str(path))
    assert 1 <= len(seen(source)) < 100
    assert any("ended after" in problem for problem in source.problems)
