# SPDX-License-Identifier: Apache-2.0
"""What is at a location is found out by what it holds; what cannot be played is named."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from support.recordings import bag_image, seen, write_bag, write_folder, write_video
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError


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


@pytest.mark.parametrize(
    "location", ["rtsp://10.0.0.1:554/live", "http://a/b.mp4", "RTMP://x/y", "udp://@:1234"]
)
def test_a_network_address_is_refused_without_a_connection(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("network"))
    with pytest.raises(SourceError, match="network address.*ROS driver"):
        open_source(location)


@pytest.mark.parametrize("name", ["run#3", "100%", "what?", "a b", "2024-05-01T12:30", "運転"])
@pytest.mark.parametrize("storage", ["mcap", "sqlite3", "folder"])
def test_names_may_hold_any_character(tmp_path: Path, name: str, storage: str) -> None:
    path = tmp_path / name
    if storage == "folder":
        write_folder(path, [f"{name}.png"], ["red"])
    else:
        plain = write_bag(tmp_path / "plain", [(1, bag_image("red", 1))], storage=storage)  # type: ignore[arg-type]
        plain.rename(path)
    assert seen(open_source(str(path))) == ["red"]


@pytest.mark.parametrize(("storage", "ending"), [("mcap", ".mcap"), ("sqlite3", ".db3")])
def test_a_bag_file_is_known_by_its_beginning(tmp_path: Path, storage: str, ending: str) -> None:
    bag = write_bag(tmp_path / "bag", [(1, bag_image("red", 1))], storage=storage)  # type: ignore[arg-type]
    (file,) = bag.glob(f"*{ending}")
    shutil.copy(file, tmp_path / "recording.bin")
    assert seen(open_source(str(tmp_path / "recording.bin"))) == ["red"]


@pytest.mark.parametrize("ending", [".mcap", ".db3", ".bag"])
@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"version https://git-lfs.github.com/spec/v1\n", "completely")],
)
def test_what_only_has_a_bags_name_is_refused(
    tmp_path: Path, ending: str, content: bytes, says: str
) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says):
        open_source(str(path))


def test_a_single_image_is_no_recording(tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.png"], ["red"])
    with pytest.raises(SourceError, match="single image: name the folder"):
        open_source(str(tmp_path / "1.png"))


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_source(str(tmp_path / "a.mp4"))


def test_a_number_is_a_camera_unless_a_file_has_that_name(tmp_path: Path) -> None:
    path = write_video(tmp_path / "7.mp4", ["red", "green"]).rename(tmp_path / "77")
    with open_source(str(path)) as source:
        assert source.name.startswith("video")
