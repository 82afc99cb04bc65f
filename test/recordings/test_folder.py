# SPDX-License-Identifier: Apache-2.0
"""A folder of images is played in its order, and tells by what times."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from support.recordings import picture, seen, write_folder
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError

MS = 1_000_000
SEQUENCE = ["red", "green", "blue", "black", "green"]


def test_a_folder_is_played_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    names = [f"frame{number}.png" for number in (10, 9, 2, 1, 100)]
    source = open_source(str(write_folder(tmp_path, names, SEQUENCE)), folder_rate_hz=4.0)
    assert seen(source) == ["black", "blue", "green", "red", "green"]
    assert [frame.stamp_ns // MS for frame in source.frames()] == [0, 250, 500, 750, 1000]
    assert source.notes == ["the file names are no times: 5 images are played at 4 Hz"]


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
    assert len(source.notes) == 1


def test_a_damaged_image_file_is_left_out_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.png", "2.png", "3.png", "4.jpg", "5.jpg"], ["red"] * 5)
    (tmp_path / "2.png").write_bytes(b"no image")
    (tmp_path / "3.png").write_bytes((tmp_path / "1.png").read_bytes()[:-20])
    (tmp_path / "4.jpg").write_bytes(b"")
    (tmp_path / "5.jpg").write_bytes((tmp_path / "5.jpg").read_bytes()[:-20])
    source = open_source(str(tmp_path))
    assert seen(source) == ["red"]
    assert source.problems == {"image file cannot be read": 4}


def test_a_folder_of_damaged_files_is_refused_with_the_first_reason(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    with pytest.raises(SourceError, match=r"none of the 3 image files.*0\.jpg.*end is missing"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "tiff", "ppm", "webp", "JPG"])
def test_all_usual_formats_are_read(tmp_path: Path, ending: str) -> None:
    assert seen(open_source(str(write_folder(tmp_path, [f"1.{ending}"], ["blue"])))) == ["blue"]


def test_a_file_may_have_another_formats_name(tmp_path: Path) -> None:
    write_folder(tmp_path, ["1.jpg"], ["green"])
    (tmp_path / "1.jpg").rename(tmp_path / "1.png")
    assert seen(open_source(str(tmp_path))) == ["green"]


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_grey_of_16_bits_is_read_by_its_high_ones(tmp_path: Path, ending: str) -> None:
    cv2.imwrite(str(tmp_path / f"1.{ending}"), np.full((20, 30), 200 * 256 + 99, np.uint16))
    (frame,) = open_source(str(tmp_path)).frames()
    assert set(bytes(frame.data)) == {200}


@pytest.mark.parametrize("ending", ["bmp", "tif", "ppm", "webp"])
def test_an_image_file_cannot_take_gigabytes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"1.{ending}"
    Image.fromarray(picture("red")).save(path)
    data = path.read_bytes()
    sizes = {
        "bmp": (18, (60_000).to_bytes(4, "little") * 2),
        "ppm": (0, b"P6\n60000 60000\n255\n"),
        "webp": (26, b"\xff\x3f\xff\x3f"),
    }
    if ending == "tif":
        Image.new("1", (9_000, 9_000)).save(path, compression="group4")
    else:
        place, size = sizes[ending]
        path.write_bytes(data[:place] + size + data[place + len(size) :])
    with pytest.raises(SourceError, match="pixels|cannot be decoded"):
        open_source(str(tmp_path))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no image files"):
        open_source(str(tmp_path))
