# SPDX-License-Identifier: Apache-2.0
"""Find the recordings in what a user names: files, bags, and whole disks of these."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vljepa_ros.recordings.bag_files import METADATA, BagFiles, bag_files_in, is_bag_file
from vljepa_ros.recordings.bag_images import is_image_topic
from vljepa_ros.recordings.image_files import is_image_file
from vljepa_ros.recordings.source import SourceError

VIDEO_ENDINGS = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"),
    *(".wmv", ".flv", ".ogv", ".h264", ".h265", ".hevc", ".mjpeg"),
}
_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_STEM = 40
_FEWEST_IMAGES = 2  # a folder with one picture is no recording


@dataclass(frozen=True)
class RecordingJob:
    """One image topic of a recording that is to be indexed.

    Attributes:
        path: of the recording, absolute.
        topic: image topic of a bag; "" for videos and folders.
        fingerprint: size and times of its files.
    """

    path: str
    topic: str
    fingerprint: str

    @property
    def id(self) -> str:
        """A name of the recording that is the same every time, and can be one of a file."""
        digest = hashlib.sha256(f"{self.path}\0{self.topic}".encode(errors="replace")).hexdigest()
        stem = _STRANGE.sub("-", Path(self.path).stem)[:_LONGEST_STEM].strip("-")
        return f"{stem or 'recording'}-{digest[:12]}"

    def __str__(self) -> str:
        """Return the path, and the topic if there is one."""
        return f"{self.path} {self.topic}".rstrip()


def find_recordings(locations: Sequence[str]) -> list[Path]:
    """Return the recordings that are named or lie in folders that are named, each once.

    A named file counts whatever its name is; in a folder those count whose names say that they are
    videos or bags. A folder is one recording if it is a bag or holds image files.

    Raises:
        SourceError: a location does not exist, or holds no recording.
    """
    found: dict[Path, None] = {}
    for location in locations:
        path = Path(os.path.abspath(Path(location).expanduser()))
        if not path.exists():
            raise SourceError(f"{location} does not exist")
        below = list(_below(path)) if path.is_dir() else [path]
        if not below:
            raise SourceError(f"{location} holds no video, no bag and no images")
        found.update(dict.fromkeys(below))
    return list(found)


def jobs_of(path: Path, topics: Sequence[str] = ()) -> list[RecordingJob]:
    """Return what is to be indexed of a recording: every image topic of a bag, or those named.

    Raises:
        SourceError: it is a bag that cannot be read or holds no such topic.
        OSError: it cannot be read.
    """
    fingerprint = _fingerprint(path)
    if not _is_bag(path):
        return [RecordingJob(str(path), "", fingerprint)]
    return [RecordingJob(str(path), name, fingerprint) for name in _image_topics(path, topics)]


def _below(folder: Path) -> Iterator[Path]:
    try:
        is_bag = _is_bag(folder)
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        yield folder  # whoever opens it says why it cannot be read
        return
    if is_bag:
        yield folder
        return
    if sum(map(is_image_file, entries)) >= _FEWEST_IMAGES:
        yield folder
    for entry in entries:
        if entry.is_dir():
            if entry.suffix != ".lance" and not entry.is_symlink():
                yield from _below(entry)
        elif entry.suffix.lower() in VIDEO_ENDINGS:
            yield entry


def _is_bag(path: Path) -> bool:
    if path.is_dir():
        return (path / METADATA).exists() or bool(bag_files_in(path))
    return is_bag_file(path)


def _image_topics(path: Path, names: Sequence[str]) -> list[str]:
    files = BagFiles(path, Counter())
    try:
        found = [topic.name for topic in files.topics() if is_image_topic(topic)]
    finally:
        files.close()
    if not names:
        return found or [""]  # whoever opens it says what it holds
    wanted = [name for name in found if name in names or name.lstrip("/") in names]
    return wanted or [names[0]]


def _fingerprint(path: Path) -> str:
    """Return sizes and times of the files; that of a folder counts all files in it."""
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file())
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
