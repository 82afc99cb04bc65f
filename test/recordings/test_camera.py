# SPDX-License-Identifier: Apache-2.0
"""A camera gives images until it stops, and never keeps its user waiting for ever."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from support.recordings import write_video
from vljepa_ros.recordings.camera import CameraSource
from vljepa_ros.recordings.source import SourceError

SEQUENCE = ["red", "green", "blue", "black", "green"]


def test_a_camera_that_stops_is_reported(tmp_path: Path) -> None:
    """OpenCV reads a file through the same calls as a camera, and a file ends."""
    with CameraSource(str(write_video(tmp_path / "a.mp4", SEQUENCE))) as source:
        stamps = [frame.stamp_ns for frame in source.frames()]
    assert len(stamps) == len(SEQUENCE) - 1  # one image went to the proof that there is one
    assert stamps == sorted(stamps)
    assert source.problems == {"camera stopped giving images": 1}


def test_a_device_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes to waits for ever, as with a camera that hangs."""
    pipe = tmp_path / "camera.mp4"
    os.mkfifo(pipe)
    begin = time.monotonic()
    with pytest.raises(SourceError, match="gives no image"):
        CameraSource(str(pipe), patience_s=0.05)
    assert time.monotonic() - begin < 5.0
    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # lets the thread that reads it end
