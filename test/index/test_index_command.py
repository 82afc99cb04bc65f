# SPDX-License-Identifier: Apache-2.0
"""``vljepa index``: recordings of every kind, once each, and what goes wrong is said."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.bags import images_topic, write_mcap
from support.recordings import bag_image, write_bag, write_folder, write_video
from vljepa_ros.index.store import Store
from vljepa_ros.index.stored import StoredRecording

TWO_COLOURS = ["red"] * 15 + ["blue"] * 15
SECOND_NS = 1_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def recordings(store: Path) -> list[StoredRecording]:
    return Store.open(store).recordings()


def texts(store: Path, recording: StoredRecording, query: str = "colour") -> list[str]:
    found = Store.open(store).segments(recording)
    return [segment.text for segment in found if segment.query == query]


def test_a_video_becomes_segments_with_times_and_pictures(vljepa, store, tmp_path, capsys) -> None:
    video = write_video(tmp_path / "drive.mp4", TWO_COLOURS)
    assert vljepa("index", video) == 0
    (recording,) = recordings(store)
    assert recording.path == str(video)
    assert recording.id.startswith("drive-")
    assert (recording.images, recording.duration_s) == (30, pytest.approx(2.9))
    assert recording.queries == {
        "colour": "What colour is the scene?",
        "brightness": "How bright is the scene?",
    }
    red, blue = [one for one in Store.open(store).segments(recording) if one.query == "colour"]
    assert (red.text, blue.text) == ("the scene is red", "the scene is blue")
    assert red.start == pytest.approx(0.3)  # the end of the first clip
    assert blue.start == pytest.approx(1.5, abs=0.2)
    assert blue.end == pytest.approx(2.9)
    picture = Store.open(store).thumbnail(recording, "colour", blue.seq)
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert pixels[..., 0].mean() > 2 * pixels[..., 2].mean()  # blue, not red
    assert "1 indexed: 0.0 minutes" in capsys.readouterr().out


def test_every_clip_is_kept_with_its_vector(vljepa, store, tmp_path) -> None:
    vljepa("index", write_video(tmp_path / "drive.mp4", TWO_COLOURS))
    (recording,) = recordings(store)
    ticks = Store.open(store).ticks(recording, "brightness", vectors=True)
    assert len(ticks.stamps_ns) == recording.ticks == 27
    assert np.allclose(np.linalg.norm(ticks.vectors.astype(np.float32), axis=1), 1, atol=1e-2)
    assert (ticks.stamps_ns - ticks.window_starts_ns == 300_000_000).all()


def test_every_image_topic_of_a_bag_is_a_recording(vljepa, store, tmp_path) -> None:
    topics = [images_topic(["red"] * 9, "/left"), images_topic(["blue"] * 9, "/right")]
    bag = write_mcap(tmp_path / "two.mcap", topics)
    assert vljepa("index", bag) == 0
    left, right = recordings(store)
    assert (left.topic, texts(store, left)) == ("/left", ["the scene is red"])
    assert (right.topic, texts(store, right)) == ("/right", ["the scene is blue"])
    assert left.id != right.id


def test_only_the_topics_that_are_named_are_indexed(vljepa, store, tmp_path, capsys) -> None:
    topics = [images_topic(["red"] * 9, "/left"), images_topic(["blue"] * 9, "/right")]
    bag = write_mcap(tmp_path / "two.mcap", topics)
    assert vljepa("index", bag, "--topic", "/right") == 0
    assert [one.topic for one in recordings(store)] == ["/right"]
    assert vljepa("index", bag, "--topic", "/top") == 1
    assert "no image topic '/top'; its image topics are: /left" in capsys.readouterr().out


def test_stamps_of_a_bag_are_kept(vljepa, store, tmp_path) -> None:
    first_ns = 1_700_000_000 * SECOND_NS
    stamps = [first_ns + number * 100_000_000 for number in range(12)]
    write_bag(tmp_path / "bag", [(stamp, bag_image("red", stamp)) for stamp in stamps])
    assert vljepa("index", tmp_path / "bag") == 0
    (recording,) = recordings(store)
    assert (recording.start_ns, recording.end_ns) == (stamps[0], stamps[-1])
    assert recording.frame_id == "camera_optical"
    (segment, *_) = Store.open(store).segments(recording)
    assert segment.start_ns == stamps[3]


def test_a_folder_of_recordings_is_searched_through(vljepa, store, tmp_path) -> None:
    disk = tmp_path / "disk"
    (disk / "monday").mkdir(parents=True)
    write_video(disk / "monday" / "a.mp4", ["red"] * 9)
    write_bag(disk / "bag", [(n, bag_image("blue", n * 100_000_000 + 1)) for n in range(9)])
    write_folder(disk / "images", [f"{n}.png" for n in range(9)], ["green"] * 9)
    (disk / "notes.txt").write_text("not a recording")
    assert vljepa("index", disk) == 0
    names = {Path(one.path).name: texts(store, one) for one in recordings(store)}
    assert names == {
        "a.mp4": ["the scene is red"],
        "bag": ["the scene is blue"],
        "images": ["the scene is green"],
    }


def test_the_same_call_goes_on_with_what_is_not_there_yet(vljepa, store, tmp_path, capsys) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    write_video(disk / "a.mp4", ["red"] * 9)
    vljepa("index", disk)
    write_video(disk / "b.mp4", ["blue"] * 9)
    (before,) = recordings(store)
    capsys.readouterr()
    assert vljepa("index", disk) == 0
    said = capsys.readouterr().out
    assert "1 indexed:" in said
    assert "1 indexed before" in said
    assert recordings(store)[0] == before


def test_a_recording_that_has_changed_is_indexed_anew(vljepa, store, tmp_path) -> None:
    video = write_video(tmp_path / "a.mp4", ["red"] * 9)
    vljepa("index", video)
    write_video(video, ["blue"] * 12)
    vljepa("index", video)
    (recording,) = recordings(store)
    assert texts(store, recording) == ["the scene is blue"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", b"not a video" * 99, "noise.mp4"),
        ("empty.mcap", b"", "is empty"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_others_go_on(
    vljepa, store, tmp_path, capsys, name: str, content: bytes, said: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    write_video(disk / "a.mp4", ["red"] * 9)
    (disk / name).write_bytes(content)
    # A bag file makes its folder a bag, so it is named by itself.
    assert vljepa("index", disk / "a.mp4", disk / name) == 1
    printed = capsys.readouterr().out
    assert "1 could not be indexed" in printed
    assert name in printed
    assert said in printed
    assert [Path(one.path).name for one in recordings(store)] == ["a.mp4"]


def test_a_bag_without_images_and_a_short_video_are_said(vljepa, store, tmp_path, capsys) -> None:
    write_bag(tmp_path / "bag", [])
    write_video(tmp_path / "blink.mp4", ["red"] * 2)
    assert vljepa("index", tmp_path / "bag", tmp_path / "blink.mp4") == 1
    printed = capsys.readouterr().out
    assert "2 could not be indexed" in printed
    assert "holds no message" in printed
    assert "blink.mp4 is shorter than one clip of 0.3 s" in printed
    assert recordings(store) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/no/such/place"], "/no/such/place does not exist"),
        ([], "name a video"),
    ],
)
def test_nothing_to_index_is_said(vljepa, capsys, words: list[str], said: str) -> None:
    assert vljepa("index", *words) == 1
    assert said in capsys.readouterr().err


def test_a_folder_without_recordings_is_said(vljepa, tmp_path, capsys) -> None:
    (tmp_path / "disk").mkdir()
    assert vljepa("index", tmp_path / "disk") == 1
    assert "holds no video, no bag and no images" in capsys.readouterr().err


def test_a_folder_that_may_not_be_read_is_named(vljepa, tmp_path, capsys) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    disk = tmp_path / "disk"
    (disk / "locked").mkdir(parents=True)
    write_video(disk / "a.mp4", ["red"] * 9)
    (disk / "locked").chmod(0)
    assert vljepa("index", disk) == 1
    assert "1 could not be indexed" in capsys.readouterr().out
