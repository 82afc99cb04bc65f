# SPDX-License-Identifier: Apache-2.0
"""Videos that a browser plays: the recording's own file, or H.264 that is made of it once."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.files import locked
from vljepa_ros.recordings.mp4 import Mp4Writer
from vljepa_ros.recordings.open_clip import opened_clip
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.recordings.video_index import VideoFileError, read_index
from vljepa_ros.review.frame_pictures import rgb
from vljepa_ros.views.jpeg import within

_PLAYED = {".mp4": {"h264", "av1", "vp9"}, ".webm": {"vp8", "vp9", "av1"}}
_PIXELS = {"yuv420p", "yuvj420p"}
_LARGEST = 1280  # columns of a video that is made
_KEY_EVERY = 15  # images, so that a jump decodes few of them
_LATE_S = 0.001
_LONGER_S = 1.0  # from the last image that can be read to the last one
_PART = ".part.mp4"


@dataclass(frozen=True)
class VideoState:
    """Whether a video can be played.

    Attributes:
        file: what to play; None if it is not ready.
        progress: how much of it is made, 0..1.
        problem: why there will be none; "" if there will.
    """

    file: Path | None = None
    progress: float = 0.0
    problem: str = ""


class BrowserVideos:
    """Finds or makes the videos of a store. Making runs in threads, one after the other."""

    def __init__(self, cache: Path) -> None:
        """Name the folder for what is made; it is made when it is needed."""
        self._cache = cache
        self._states: dict[Path, VideoState] = {}
        self._states_lock = threading.Lock()

    def state(self, path: Path, topic: str, duration_s: float) -> VideoState:
        """Return whether a recording can be played; begin to make its video if it cannot.

        Args:
            path: the recording.
            topic: image topic of a bag; "" means that the bag's reader chooses.
            duration_s: of the recording in seconds, to tell the progress.
        """
        known = self._known(path, topic, duration_s)
        if known is not None:
            return known
        made = self._place(path, topic)
        with self._states_lock:
            if made not in self._states:
                self._states[made] = VideoState()
                work = (path, topic, duration_s, made)
                threading.Thread(target=self._make, args=work, daemon=True).start()
            return self._states[made]

    def made(self, path: Path, topic: str, duration_s: float) -> VideoState:
        """Return the same as :meth:`state` when the video has been made."""
        known = self._known(path, topic, duration_s)
        if known is not None:
            return known
        made = self._place(path, topic)
        self._make(path, topic, duration_s, made)
        return self._states[made]

    def _known(self, path: Path, topic: str, duration_s: float) -> VideoState | None:
        """Return the state of a video that is there or cannot be, or None."""
        try:
            if is_played(path, duration_s):
                return VideoState(path)
            made = self._place(path, topic)
        except OSError as error:
            return VideoState(problem=f"{path}: {error.strerror or error}")
        return VideoState(made) if made.is_file() else None

    def _place(self, path: Path, topic: str) -> Path:
        return self._cache / f"{_key(path, topic)}.mp4"

    def _make(self, path: Path, topic: str, duration_s: float, made: Path) -> None:
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            # One at a time, also of several servers: the cores are needed for the page.
            with locked(self._cache / ".lock", waiting=lambda: None):
                if not made.is_file():
                    self._transcode(path, topic, duration_s, made)
            self._states[made] = VideoState(made)
        except (SourceError, OSError, av.FFmpegError) as error:
            self._states[made] = VideoState(problem=f"{path} cannot be shown: {error}")

    def _transcode(self, path: Path, topic: str, duration_s: float, made: Path) -> None:
        for abandoned in self._cache.glob(f"*{_PART}"):  # by a server that was killed
            abandoned.unlink(missing_ok=True)
        part = made.with_suffix(_PART)
        try:
            with opened_clip(path, topic) as source, Mp4Writer(part, _KEY_EVERY) as writer:
                for frame in source.frames():
                    writer.write(frame.stamp_ns, _even(within(rgb(frame), _LARGEST)))
                    done = frame.stamp_ns / 1e9 / max(duration_s, 0.001)
                    self._states[made] = VideoState(progress=min(0.99, done))
            part.replace(made)
        finally:
            part.unlink(missing_ok=True)


def is_played(path: Path, duration_s: float) -> bool:
    """Whether browsers play a file as it is, with its times those of the recording.

    Args:
        path: the recording.
        duration_s: of the recording in seconds. The file says something else if its clock has a
            gap, which the recording's time line bridges.

    Raises:
        OSError: it cannot be read.
    """
    state = path.stat()
    return _is_played(path, duration_s, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=256)
def _is_played(path: Path, duration_s: float, version: tuple[int, int]) -> bool:
    del version  # tells a file from what it was before
    codecs = _PLAYED.get(path.suffix.lower())
    if codecs is None or not path.is_file():
        return False
    try:
        with av.open(str(path.absolute())) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            if context.name not in codecs or context.pix_fmt not in _PIXELS:
                return False
            begins = float((stream.start_time or 0) * stream.time_base)
        stamps = read_index(path).stamps_ns()
    except (av.FFmpegError, IndexError, VideoFileError):
        return False
    return begins < _LATE_S and abs((stamps[-1] - stamps[0]) / 1e9 - duration_s) < _LONGER_S


def media_type(file: Path) -> str:
    """Return the media type of a video that is played."""
    return "video/webm" if file.suffix == ".webm" else "video/mp4"


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) without the last row and column of odd sizes, as H.264 wants."""
    rows, columns = image.shape[:2]
    return image[: rows // 2 * 2, : columns // 2 * 2]


def _key(path: Path, topic: str) -> str:
    """Return what tells this recording, as it is now, from all others."""
    state = path.stat()
    told = f"{path.resolve()}\0{topic}\0{state.st_mtime_ns}\0{state.st_size}"
    return hashlib.sha256(told.encode()).hexdigest()[:20]
