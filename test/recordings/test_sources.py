# SPDX-License-Identifier: Apache-2.0
"""Every kind of source gives its images in order with its own times, or says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from support.recordings import (
    COLOURS,
    bag_image,
    bag_jpeg,
    write_bag,
    write_folder,
    write_video,
)
from vljepa_ros.recordings.camera import CameraSource
from vljepa_ros.recordings.locate import open_source
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.images import decode_image

MS = 1_000_000
SEQUENCE = ["red", "green", "blue", "black", "green"]
Storage = Literal["mcap", "sqlite3"]


def colour_of(frame: SourceFrame) -> str:
    """Decode the frame as the embedder will, and name the nearest colour."""
    image = decode_image(
        encoding=frame.encoding,
        width=frame.width,
        height=frame.height,
        step=frame.step,
        is_bigendian=frame.is_bigendian,
        data=frame.data,
    )
    mean = image.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))


def seen(source: Source) -> list[str]:
    """Return the colours of all the source's images."""
    return [colour_of(frame) for frame in source.frames()]


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


def test_a_folder_is_played_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    names = [f"frame{number}.png" for number in (10, 9, 2, 1, 100)]
    source = open_source(str(write_folder(tmp_path, names, SEQUENCE)), folder_rate_hz=4.0)
    assert seen(source) == ["black", "blue", "green", "red", "green"]
    assert [frame.stamp_ns // MS for frame in source.frames()] == [0, 250, 500, 750, 1000]


@pytest.mark.parametrize(
    "names",
    [
        ["1403636579763555584.png", "1403636579813555584.png", "1403636579963555584.png"],
        ["1305031102.175304.png", "1305031102.225304.png", "1305031102.375304.png"],
    ],
    ids=["nanoseconds", "seconds"],
)
def test_names_that_are_times_are_the_stamps(tmp_path: Path, names: list[str]) -> None:
    source = open_source(str(write_folder(tmp_path, names, SEQUENCE)))
    stamps = [frame.stamp_ns for frame in source.frames()]
    assert np.diff(stamps).tolist() == [50 * MS, 150 * MS]
    assert stamps[0] // MS in (1403636579763, 1305031102175)


def test_a_damaged_image_file_is_left_out_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.png", "2.png", "3.png"], SEQUENCE)
    (tmp_path / "2.png").write_bytes(b"no image")
    source = open_source(str(tmp_path))
    assert seen(source) == ["red", "blue"]
    assert source.problems == {"image file cannot be read": 1}


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_gives_its_images_with_their_headers(tmp_path: Path, storage: Storage) -> None:
    images = [
        (7 * MS + 100 * MS * n, bag_image(colour, 100 * MS * (n + 1), "bgr8"))
        for n, colour in enumerate(SEQUENCE)
    ]
    source = open_source(str(write_bag(tmp_path / "bag", images, storage=storage)))
    frames = list(source.frames())
    assert seen(source) == SEQUENCE
    assert [frame.stamp_ns // MS for frame in frames] == [100, 200, 300, 400, 500]
    assert {(frame.encoding, frame.frame_id) for frame in frames} == {("bgr8", "camera_optical")}


@pytest.mark.parametrize(("storage", "ending"), [("mcap", ".mcap"), ("sqlite3", ".db3")])
def test_a_bags_file_can_be_named_itself(tmp_path: Path, storage: Storage, ending: str) -> None:
    images = [(n, bag_image(colour, n + 1)) for n, colour in enumerate(SEQUENCE)]
    folder = write_bag(tmp_path / "bag", images, storage=storage)
    (path,) = (one for one in folder.iterdir() if one.suffix == ending)
    assert seen(open_source(str(path))) == SEQUENCE


def test_without_header_stamps_the_times_of_recording_are_used(tmp_path: Path) -> None:
    images = [(5 * MS, bag_image("red", 0)), (9 * MS, bag_image("red", 0))]
    source = open_source(str(write_bag(tmp_path / "bag", images)))
    assert [frame.stamp_ns for frame in source.frames()] == [5 * MS, 9 * MS]


def test_compressed_images_are_decoded_and_damaged_ones_counted(tmp_path: Path) -> None:
    images = [
        (n * MS, bag_jpeg(colour, n * MS + 1, damaged=n == 2)) for n, colour in enumerate(SEQUENCE)
    ]
    source = open_source(str(write_bag(tmp_path / "bag", images)))
    assert seen(source) == ["red", "green", "black", "green"]
    assert sum(source.problems.values()) == 1


def test_a_bags_topic_can_be_chosen(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [(1, bag_image("red", 1))], topic="/front/image")
    assert seen(open_source(str(path), topic="front/image")) == ["red"]
    with pytest.raises(SourceError, match="'/rear'.*its image topics are: /front/image"):
        open_source(str(path), topic="/rear")


def test_depth_is_not_taken_for_the_camera(tmp_path: Path) -> None:
    depth = [(1, bag_image("blue", 1))]
    path = write_bag(tmp_path / "bag", [(2, bag_image("red", 2))], depth=depth)
    assert seen(open_source(str(path))) == ["red"]
    assert seen(open_source(str(path), topic="/a/depth")) == ["blue"]


def test_a_bag_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the topic holds no message"):
        open_source(str(write_bag(tmp_path / "bag", [])))


def test_a_bag_that_was_cut_off_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", [(1, bag_image("red", 1))])
    (folder / "metadata.yaml").unlink()
    with pytest.raises(SourceError, match="ros2 bag reindex"):
        open_source(str(folder))


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_damaged_bag_is_refused(tmp_path: Path, keep: float) -> None:
    images = [(n, bag_image("red", n + 1)) for n in range(5)]
    folder = write_bag(tmp_path / "bag", images)
    (path,) = folder.glob("*.mcap")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(SourceError, match="bag"):
        open_source(str(path))


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("", "no source given"),
        ("nowhere.mp4", "does not exist"),
        ("/dev/video77", "gives no image"),
        ("/dev/nothing", "gives no image"),
    ],
)
def test_what_is_not_there_is_refused(location: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        open_source(location)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no image files"):
        open_source(str(tmp_path))


def test_a_camera_that_stops_is_reported(tmp_path: Path) -> None:
    """OpenCV reads a file through the same calls as a camera, and a file ends."""
    with CameraSource(str(write_video(tmp_path / "a.mp4", SEQUENCE))) as source:
        stamps = [frame.stamp_ns for frame in source.frames()]
    assert len(stamps) == len(SEQUENCE) - 1  # one image went to the proof that there is one
    assert stamps == sorted(stamps)
    assert source.problems == {"camera stopped giving images": 1}
