# SPDX-License-Identifier: Apache-2.0
"""What browsers play is served as it is; H.264 is made of the rest, once."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from support.recordings import (
    bag_image,
    numbered_pictures,
    write_bag,
    write_film,
    write_folder,
    write_video,
)
from support.review_site import write_browser_video
from vljepa_ros.review.browser_video import BrowserVideos, is_played

COLOURS = ["red", "green", "blue", "black"]
STEP_NS = 500_000_000


@pytest.fixture
def videos(tmp_path: Path) -> BrowserVideos:
    return BrowserVideos(tmp_path / "cache")


def made(videos: BrowserVideos, path: Path, topic: str = "") -> list[tuple[float, int]]:
    """Make a video; return the time of each image, and which colour it has most of."""
    state = videos.made(path, topic, 2.0)
    assert state.file is not None, state.problem
    with av.open(str(state.file)) as container:
        images = [(one.time, one.to_ndarray(format="rgb24")) for one in container.decode(video=0)]
    assert is_played(state.file, images[-1][0])
    return [(time, int(image.reshape(-1, 3).mean(axis=0).argmax())) for time, image in images]


def test_h264_in_mp4_is_played_as_it_is(videos: BrowserVideos, tmp_path: Path) -> None:
    video = write_browser_video(tmp_path / "film.mp4")
    assert videos.state(video, "", 12.0).file == video
    assert not (tmp_path / "cache").exists()


def test_a_video_whose_clock_has_a_gap_is_not_played_as_it_is(
    videos: BrowserVideos, tmp_path: Path
) -> None:
    video = write_browser_video(tmp_path / "film.mp4")
    assert not is_played(video, 5.0)


def test_what_no_browser_plays_is_made_into_what_they_do(
    videos: BrowserVideos, tmp_path: Path
) -> None:
    times = [0, 100, 350, 2000]  # uneven ones stay as they are
    film = write_film(tmp_path / "film.mkv", numbered_pictures(4, 33, 65), times)
    assert [round(1000 * time) for time, _ in made(videos, film)] == times


def test_another_codec_in_mp4_is_not_played(tmp_path: Path) -> None:
    assert not is_played(write_video(tmp_path / "film.mp4", COLOURS), 0.4)


def test_bags_and_folders_become_videos(videos: BrowserVideos, tmp_path: Path) -> None:
    images = [
        (number * STEP_NS, bag_image(colour, number * STEP_NS))
        for number, colour in enumerate(COLOURS, start=1)
    ]
    bag = write_bag(tmp_path / "bag", images, topic="/camera")
    folder = write_folder(tmp_path / "folder", [f"{n}.000000000.png" for n in (7, 8)], COLOURS)
    assert made(videos, bag, "/camera")[:3] == [(0.0, 0), (0.5, 1), (1.0, 2)]
    assert [channel for _, channel in made(videos, folder)] == [0, 1]


def test_it_is_made_once(videos: BrowserVideos, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mkv", numbered_pictures(2), [0, 100])
    first = videos.made(film, "", 1.0).file
    assert first is not None
    written = first.stat().st_mtime_ns
    assert videos.state(film, "", 1.0).file == first
    assert BrowserVideos(tmp_path / "cache").made(film, "", 1.0).file == first
    assert first.stat().st_mtime_ns == written
    assert list((tmp_path / "cache").glob("*.mp4")) == [first]


def test_what_a_killed_server_left_half_made_goes(videos: BrowserVideos, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    half = tmp_path / "cache" / "0123.part.mp4"
    half.touch()
    film = write_film(tmp_path / "film.mkv", numbered_pictures(2), [0, 100])
    assert videos.made(film, "", 1.0).file is not None
    assert not half.exists()


@pytest.mark.parametrize("content", [b"", b"no video at all"])
def test_what_cannot_be_read_is_said(
    videos: BrowserVideos, tmp_path: Path, content: bytes
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    assert "broken.mp4" in videos.made(broken, "", 1.0).problem
    assert list((tmp_path / "cache").glob("*.mp4")) == []


def test_what_is_gone_is_said(videos: BrowserVideos, tmp_path: Path) -> None:
    assert "gone.mp4" in videos.state(tmp_path / "gone.mp4", "", 1.0).problem
