# SPDX-License-Identifier: Apache-2.0
"""What a video file says about its images before any is decoded: which, when, and how many."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

_DEFAULT_RATE = Fraction(25)  # images per second of files that do not tell theirs
_NO_TIMES = 0x80  # FFmpeg's flag AVFMT_NOTIMESTAMPS: the format holds no times


class VideoFileError(ValueError):
    """A file holds no video that can be read; the message says why."""


@dataclass(frozen=True)
class VideoIndex:
    """The images of a video file in the order in which they are shown.

    Attributes:
        stream: number of the stream that holds them.
        time_base: seconds of one unit of time.
        times: (N) when each image is shown, in units.
        decode_times: (N) when each image is decoded, in units.
        keys: (N) True for images from which decoding can begin.
        by_time: images carry the times of this index, so that a decoded one can be looked up.
        steps_back: the file's time steps back somewhere, as in files that were joined.
        guessed_rate: images per second that are assumed, or None if the file says when they are.
        promised: images that the file's header counts; 0 if it counts none.
        seconds: length that the header gives the stream, or None.
    """

    stream: int
    time_base: Fraction
    times: NDArray[np.int64]
    decode_times: NDArray[np.int64]
    keys: NDArray[np.bool_]
    by_time: bool
    steps_back: bool
    guessed_rate: Fraction | None
    promised: int
    seconds: float | None

    def stamp_ns(self, time: int) -> int:
        """Return the nanoseconds from the first image to a time in units."""
        return round((time - int(self.times[0])) * self.time_base * 1_000_000_000)

    def stamps_ns(self) -> list[int]:
        """Return the nanoseconds from the first image to each (N)."""
        return [self.stamp_ns(time) for time in self.times.tolist()]

    def key_before(self, number: int) -> int | None:
        """Return the last image from which the one with a number can be decoded.

        None stands for the beginning of the file, also if no other place can be told.
        """
        keys = np.flatnonzero(self.keys[: number + 1])
        if not self.by_time or self.steps_back or not len(keys) or keys[-1] == 0:
            return None
        return int(keys[-1])

    @property
    def ends_early(self) -> bool:
        """Whether the file holds fewer images than its header counts, and is shorter.

        Some writers count one too many. An edit list hides images, but shortens the stream too.
        """
        if self.promised <= len(self.times) + 1:
            return False
        period = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0
        shown = float(self.times[-1] - self.times[0]) + 2.5 * period
        return self.seconds is None or shown * float(self.time_base) < self.seconds


@contextmanager
def opened(media: Path | bytes) -> Iterator[Any]:
    """Open a video file, or the bytes of one, as a container of PyAV.

    PyAV gets an open file and may open nothing itself, because the content of a file could name
    others and addresses in a network, and a name could look like an address or a pattern.

    Raises:
        VideoFileError: no format is found in it.
        OSError: the file cannot be opened.
    """
    with io.BytesIO(media) if isinstance(media, bytes) else media.open("rb") as file:
        try:
            container = av.open(
                _Readable(file),
                container_options={"protocol_whitelist": ""},
                metadata_errors="replace",
            )
        except av.FFmpegError as error:
            raise VideoFileError(_reason(file)) from error
        with container:
            yield container


class _Readable:
    """An open file for PyAV, which answers to a place that is not in the file as FFmpeg expects.

    Damaged files send FFmpeg to such places, and an exception would end what it can go on with.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Return the new place, or a negative number if there is no such place."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -errno.EINVAL


def read_index(media: Path | bytes) -> VideoIndex:
    """Read the index of a video file; that of a file on disk is kept while the file is the same.

    Raises:
        VideoFileError: the file holds no video that can be read.
        OSError: the file cannot be opened.
    """
    if isinstance(media, bytes):
        return _read(media)
    if media.exists() and not media.is_file():
        raise VideoFileError("is not a regular file")
    status = media.stat()
    return _read_once(media, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _read_once(path: Path, changed_ns: int, size: int) -> VideoIndex:
    return _read(path)


@dataclass(frozen=True)
class _Packet:
    """The times of a packet in units, as far as the file says them, and whether it is a key."""

    pts: int | None
    dts: int | None
    key: bool


def _read(media: Path | bytes) -> VideoIndex:
    with opened(media) as container:
        packets = _packets(container)
        stream = _most_images(container, packets)
        return _index(container, stream, packets[stream.index])


def _packets(container: Any) -> dict[int, list[_Packet]]:
    """Return the packets of each video stream, to the end or to damage that FFmpeg cannot pass."""
    found: dict[int, list[_Packet]] = {stream.index: [] for stream in container.streams.video}
    try:
        for packet in container.demux(list(container.streams.video)) if found else ():
            if packet.size and not packet.is_discard:
                entry = _Packet(packet.pts, packet.dts, packet.is_keyframe)
                found[packet.stream_index].append(entry)
    except av.FFmpegError:
        pass  # what follows is missed when the images are read
    return found


def _most_images(container: Any, packets: dict[int, list[_Packet]]) -> Any:
    """Return the stream with the most images, so that no cover or preview is taken for it."""
    videos = [one for one in container.streams.video if not _is_cover(one)]
    if not videos:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoFileError(f"holds no video, only {kinds}")
    stream = max(videos, key=lambda one: len(packets[one.index]))
    if not packets[stream.index]:
        raise VideoFileError("holds no images")
    if stream.codec_context is None:
        raise VideoFileError("is in a format for which PyAV has no decoder")
    return stream


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _index(container: Any, stream: Any, packets: list[_Packet]) -> VideoIndex:
    stored = None if container.format.flags & _NO_TIMES else _stored(packets, container.format)
    counted = np.arange(len(packets))
    times, decode_times, by_time = stored or (counted, counted, False)
    rate = Fraction(stream.guessed_rate or stream.average_rate or _DEFAULT_RATE)
    parts = np.zeros(len(packets), np.int64)
    parts[1:] = np.cumsum(np.diff(decode_times) < 0)
    order = np.lexsort((times, parts))  # what follows a step back is shown after what is before it
    return VideoIndex(
        stream=stream.index,
        time_base=stream.time_base if stored else 1 / rate,
        times=times[order],
        decode_times=decode_times[order],
        keys=np.array([one.key for one in packets])[order],
        by_time=by_time,
        steps_back=bool(parts[-1]),
        guessed_rate=None if stored else rate,
        promised=stream.frames,
        seconds=None if stream.duration is None else float(stream.duration * stream.time_base),
    )


_Stored = tuple[NDArray[np.int64], NDArray[np.int64], bool]


def _stored(packets: list[_Packet], container_format: Any) -> _Stored | None:
    """Return when images are shown and decoded, and whether they carry the first of these times.

    None stands for a file that does not say when.
    """
    pts, dts = _all([one.pts for one in packets]), _all([one.dts for one in packets])
    if pts is None or container_format.name == "avi":  # AVI says only when images are decoded
        return None if dts is None else (dts, dts, False)
    in_order = np.sort(pts) if dts is None else dts
    return pts, in_order, True


def _all(times: list[int | None]) -> NDArray[np.int64] | None:
    """Return times if all are known."""
    known = [time for time in times if time is not None]
    return np.array(known, np.int64) if len(known) == len(times) else None


def _reason(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(12)
    if not start:
        return "is empty"
    if start[4:8] == b"ftyp":
        return (
            "has no index (moov) that can be read: the recording was not ended as it should, "
            "or the end of the file is missing"
        )
    return "is not a video: it is damaged, incomplete, or in an unknown format"
