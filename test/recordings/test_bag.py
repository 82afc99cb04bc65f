# SPDX-License-Identifier: Apache-2.0
"""A bag gives the images of one topic: the one that is named, or the first that can be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from support.bags import Topic, write_mcap, write_topics
from support.recordings import (
    bag_compressed,
    bag_image,
    bag_jpeg,
    seen,
    write_bag,
)
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError

MS = 1_000_000
SEQUENCE = ["red", "green", "blue", "black", "green"]
Storage = Literal["mcap", "sqlite3"]


def raw(colour: str, encoding: str = "rgb8") -> Any:
    image = bag_image(colour, MS)
    image.encoding = encoding
    return image


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
    assert not source.notes
    assert not source.problems


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


def test_a_topic_that_holds_no_images_is_refused_with_those_that_do(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", [(1, bag_image("red", 1))])
    listed = r"/camera/image_raw \(sensor_msgs/msg/Image, 1 message\)"
    with pytest.raises(SourceError, match=f"no image topic '/chatter'.*{listed}"):
        open_source(str(path), topic="/chatter")


def test_depth_is_not_taken_for_the_camera(tmp_path: Path) -> None:
    depth = [(1, bag_image("blue", 1))]
    path = write_bag(tmp_path / "bag", [(2, bag_image("red", 2))], depth=depth)
    assert seen(open_source(str(path))) == ["red"]
    assert seen(open_source(str(path), topic="/a/depth")) == ["blue"]


def test_a_bag_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the topic holds no message"):
        open_source(str(write_bag(tmp_path / "bag", [])))


def test_a_bag_without_image_topics_is_refused_with_those_that_it_has(tmp_path: Path) -> None:
    path = write_mcap(tmp_path / "a.mcap", [Topic("/log", [(1, b"{}")], "foxglove.Log", "json")])
    listed = r"/log \(foxglove.Log as json, 1 message\)"
    with pytest.raises(SourceError, match=f"holds no image topic.*CompressedImage.*{listed}"):
        open_source(str(path))


FAULTY = {
    "no message": ([], "the topic holds no message"),
    "zstd": (
        [bag_compressed(b"\x28\xb5\x2f\xfd....", 1, "bgr8; zstd")],
        "format says 'bgr8; zstd'",
    ),
    "cut off": ([bag_jpeg("red", 1, damaged=True)] * 3, "the end is missing"),
    "16UC1": ([raw("red", "16UC1")], "depth image"),
    "8UC3": ([raw("red", "8UC3")], "RGB or BGR"),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_topic_that_cannot_be_shown_is_skipped_with_the_reason(
    tmp_path: Path, fault: str
) -> None:
    messages, reason = FAULTY[fault]
    topics = {"/a/image": messages, "/b/image": [bag_jpeg("green", 1)]}
    path = write_topics(tmp_path / "bag", topics)
    source = open_source(str(path))
    assert seen(source) == ["green"]
    assert not source.problems
    played, skipped = source.notes
    assert "of 2 image topics, /b/image" in played
    assert skipped.startswith("skipped /a/image")
    assert reason in skipped
    with pytest.raises(SourceError, match=reason):
        open_source(str(path), topic="/a/image")


def test_one_bad_image_in_front_does_not_cost_the_topic(tmp_path: Path) -> None:
    images = [bag_jpeg("red", 1, damaged=True), bag_jpeg("green", 2)]
    topics = {"/a/image": images, "/b/image": [bag_jpeg("blue", 1)]}
    assert seen(open_source(str(write_topics(tmp_path / "bag", topics)))) == ["green"]


def test_if_nothing_can_be_shown_every_topic_tells_why(tmp_path: Path) -> None:
    topics = {"/a/image": [raw("red", "32FC1")], "/b/image": [raw("red", "8UC3")]}
    path = write_topics(tmp_path / "bag", topics)
    with pytest.raises(SourceError, match=r"/a/image.*depth image.*/b/image.*RGB or BGR"):
        open_source(str(path))


@pytest.mark.parametrize("garbage", [b"", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 50])
def test_a_message_that_is_none_is_left_out_and_counted(tmp_path: Path, garbage: bytes) -> None:
    from support.recordings import serialised

    good = serialised(bag_image("red", 1))
    messages = [(1, good), (2, garbage), (3, good[:100]), (4, good)]
    path = write_mcap(tmp_path / "a.mcap", [Topic("/image", messages)])
    source = open_source(str(path))
    assert seen(source) == ["red", "red"]
    assert sum(source.problems.values()) == 2
