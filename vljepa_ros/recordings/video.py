# SPDX-License-Identifier: Apache-2.0
"""Images from a video file, read with PyAV.

Images are decoded in the order of showing, one after the other and not several ahead: damage then
costs the same images on every machine, and a replay leaves the other cores to the model.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.recordings.time_line import placed
from vljepa_ros.recordings.video_index import VideoFileError, VideoIndex, opened, read_index
from vljepa_ros.stream.images import MAX_PIXELS

_NOT_DECODED = "image cannot be decoded"
_ADVICE = "`ffmpeg -i {} -c:v libx264 fixed.mp4` may repair it"


class VideoSource(Source):
    """A video file; the stamps are the file's presentation times, so uneven rates stay uneven.

    They begin with 0 at the first image.
    """

    def __init__(self, media: Path | bytes, name: str = "") -> None:
        """Read the index of the file and decode its first image.

        Args:
            media: the file, or its content.
            name: what messages call it, if not by its path.

        Raises:
            SourceError: it cannot be read, or holds no video that PyAV can decode.
        """
        shown = name or str(media if isinstance(media, Path) else "")
        super().__init__(f"video {shown}")
        self._media = media
        self._index = _index_of(media, shown)
        if self._index.guessed_rate is not None:
            rate = float(self._index.guessed_rate)
            self.notes.append(
                f"{shown} does not say when its images are shown: {rate:g} per second are assumed"
            )
        if next(self.frames(), None) is None:
            causes = "; ".join(self.problems) or "nothing comes out of its decoder"
            raise SourceError(
                f"no image of {shown} can be read: {causes}; {_ADVICE.format(shown)}"
            )
        self.problems.clear()

    def stamps_ns(self) -> list[int]:
        """Return the stamps of all images that the file's index names; none is decoded."""
        return self._line_ns

    def frames(self, start_s: float = 0.0) -> Iterator[SourceFrame]:
        """Yield the images on one time line, from the one that is shown at ``start_s`` on.

        Earlier ones come too if no decoding can begin between the first image and that one.

        Args:
            start_s: seconds from the first image.
        """
        number = max(0, bisect_right(self._line_ns, round(start_s * 1e9)) - 1)
        key = self._index.key_before(number)
        if key is not None:
            images = self._images_from(key, number)
            first = next(images, None)
            if first is not None and first.stamp_ns <= self._line_ns[number]:
                yield first
                yield from images
                return
        yield from super().frames()  # nothing to leave out, or the index was wrong

    @cached_property
    def _line_ns(self) -> list[int]:
        return placed(self._index.stamps_ns())

    def _images(self) -> Iterator[SourceFrame]:
        """Yield all images; those that cannot be decoded are left out and counted."""
        index, count = self._index, 0
        with opened(self._media) as container:
            pixels = _UprightPixels()
            for image in self._decoded(container):
                time = image.pts if index.by_time else None
                if time is None:
                    time = int(index.times[min(count, len(index.times) - 1)])
                count += 1
                yield pixel_frame(pixels.bgr(image), "bgr8", index.stamp_ns(time))
        if index.ends_early:
            self.problems[f"video ended after {count} of {index.promised} images"] += 1

    def _images_from(self, key: int, number: int) -> Iterator[SourceFrame]:
        """Yield the images from a number on, decoding from a key image."""
        index = self._index
        with opened(self._media) as container:
            stream = container.streams[index.stream]
            try:
                container.seek(int(index.decode_times[key]), stream=stream)
            except av.FFmpegError:
                return
            pixels = _UprightPixels()
            for image in self._decoded(container):
                if image.pts is not None and image.pts >= index.times[number]:
                    place = int(np.searchsorted(index.times, image.pts, side="right")) - 1
                    yield pixel_frame(pixels.bgr(image), "bgr8", self._line_ns[place])

    def _decoded(self, container: Any) -> Iterator[Any]:
        """Yield the images of PyAV that are whole; others are counted."""
        for packet in self._packets(container):
            try:
                images = packet.decode()
            except av.FFmpegError:
                self.problems[_NOT_DECODED] += 1
                continue
            for image in images:
                if image.is_corrupt or not image.planes or not image.width * image.height:
                    self.problems[_NOT_DECODED] += 1
                else:
                    yield image

    def _packets(self, container: Any) -> Iterator[Any]:
        """Yield packets to the end of the file, or to damage that FFmpeg cannot pass."""
        stream = container.streams[self._index.stream]
        stream.thread_type = "SLICE"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        try:
            yield from container.demux(stream)
        except av.FFmpegError as error:
            self.problems[f"video is damaged ({error.strerror})"] += 1


class _UprightPixels:
    """Turns images of PyAV into pixels; what it has prepared serves all images of a video."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def bgr(self, image: Any) -> NDArray[np.uint8]:
        """Return BGR (H, W, 3), upright if the file says how the camera was held."""
        converted = self._reformatter.reformat(image, format="bgr24")
        pixels = np.asarray(converted.to_ndarray(), np.uint8)
        turns, rest = divmod(image.rotation, 90)
        return pixels if rest or not turns else np.rot90(pixels, turns)


def _index_of(media: Path | bytes, shown: str) -> VideoIndex:
    try:
        return read_index(media)
    except VideoFileError as error:
        raise SourceError(f"{shown} {error}") from error
    except OSError as error:
        raise SourceError(f"{shown} cannot be read: {error.strerror or error}") from error
