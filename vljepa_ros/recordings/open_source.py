# SPDX-License-Identifier: Apache-2.0
"""Find out what a location is and open it."""

from __future__ import annotations

import re
from pathlib import Path

from vljepa_ros.recordings.bag import BagSource
from vljepa_ros.recordings.bag_files import METADATA, bag_files_in, is_bag_file
from vljepa_ros.recordings.camera import CameraSource
from vljepa_ros.recordings.folder import FolderSource
from vljepa_ros.recordings.image_files import is_image_file
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.video import VideoSource

_CAMERA = re.compile(r"(?:/dev/video)?(\d+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE)


def open_source(location: str, topic: str = "", folder_rate_hz: float = 10.0) -> Source:
    """Open a video, a folder of images, a bag (folder or file), or a camera (/dev/video0).

    Args:
        location: a path, or a camera's number or device.
        topic: a bag's image topic; "" means the first that can be shown.
        folder_rate_hz: the rate of images in a folder if their names are no times.

    Raises:
        SourceError: it does not exist or cannot be read; the message says why.
    """
    if not location:
        raise SourceError("no source given: set `source` to a video, a folder, a bag or a camera")
    path = Path(location).expanduser()
    camera = _CAMERA.fullmatch(location)
    if camera and not path.is_file() and not path.is_dir():
        return CameraSource(int(camera[1]))
    if location.startswith("/dev/"):
        return CameraSource(location)
    try:
        return _open_path(path, location, topic, folder_rate_hz)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def _open_path(path: Path, location: str, topic: str, rate_hz: float) -> Source:
    if not path.exists():
        raise SourceError(_why_not_there(path, location))
    if path.is_dir():
        bag = (path / METADATA).exists() or bag_files_in(path)
        return BagSource(path, topic) if bag else FolderSource(path, rate_hz)
    if not path.is_file():
        raise SourceError(f"{path} is neither a file nor a folder")
    if is_image_file(path):
        raise SourceError(f"{path} is a single image: name the folder of a recording's images")
    return BagSource(path, topic) if is_bag_file(path) else VideoSource(path)


def _why_not_there(path: Path, location: str) -> str:
    if _URL.fullmatch(location):
        return (
            f"{location} is a network address, and those are not played: run a ROS driver for "
            "the camera and subscribe to its topic, or record it to a file first, for example "
            f"with `ffmpeg -i {location} -c copy recording.mkv`"
        )
    return f"{path} does not exist"
