# SPDX-License-Identifier: Apache-2.0
"""Find out what a location is and open it."""

from __future__ import annotations

import re
from pathlib import Path

from vljepa_ros.recordings.bag import BagSource
from vljepa_ros.recordings.camera import CameraSource
from vljepa_ros.recordings.folder import FolderSource
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.video import VideoSource

_BAG_ENDINGS = {".mcap", ".db3", ".bag"}
_CAMERA = re.compile(r"(?:/dev/video)?(\d+)")


def open_source(location: str, topic: str = "", folder_rate_hz: float = 10.0) -> Source:
    """Open a video, a folder of images, a bag (folder, .mcap, .db3), or a camera (/dev/video0).

    `topic` chooses a bag's image topic; `folder_rate_hz` spaces images whose names are no times.

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
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if path.is_dir():
        return _open_folder(path, topic, folder_rate_hz)
    return BagSource(path, topic) if path.suffix in _BAG_ENDINGS else VideoSource(path)


def _open_folder(path: Path, topic: str, rate_hz: float) -> Source:
    if (path / "metadata.yaml").exists():
        return BagSource(path, topic)
    if any(one.suffix in _BAG_ENDINGS for one in path.iterdir()):
        raise SourceError(
            f"{path} holds a bag's files but no metadata.yaml (a recording that was cut off?): "
            "`ros2 bag reindex` it, or name the .mcap or .db3 file itself"
        )
    return FolderSource(path, rate_hz)
