# SPDX-License-Identifier: Apache-2.0
"""Video packets in messages (H.264 and its like), decoded with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.images import MAX_PIXELS, ImageError

if TYPE_CHECKING:
    import av

# What senders write into their format fields, and FFmpeg's name of the decoder.
_DECODERS = {
    "h264": "h264",
    "x264": "h264",
    "avc": "h264",
    "h265": "hevc",
    "x265": "hevc",
    "hevc": "hevc",
    "av1": "av1",
    "vp9": "vp9",
    "vp8": "vp8",
}
_NS = Fraction(1, 1_000_000_000)
TimedImage = tuple[int, NDArray[np.uint8]]


def video_codec(said: str) -> str | None:
    """Return the decoder for a message's format field, or None if it names no video codec."""
    lower = said.lower().replace(".", "")
    return next((decoder for name, decoder in _DECODERS.items() if name in lower), None)


class VideoPackets:
    """Decodes packets in the order in which they come; images come out later than packets."""

    def __init__(self, codec: str) -> None:
        """Begin before the first packet of a stream of FFmpeg's codec `codec`.

        Raises:
            ImageError: ``encoding``: PyAV is missing, or was built without this decoder.
        """
        try:
            import av

            self._decoder = av.CodecContext.create(codec, "r")
        except Exception as error:  # ImportError, and what PyAV raises for unknown codecs
            raise ImageError("encoding", f"no decoder for {codec} video: {error}") from error
        self._decoder.options = {"max_pixels": str(MAX_PIXELS)}

    def decode(self, data: bytes | memoryview, stamp_ns: int) -> Iterator[TimedImage]:
        """Yield (stamp in ns, RGB (H, W, 3)) of the images that are complete with this packet.

        Raises:
            ImageError: ``corrupt``: also before the first key frame.
        """
        import av

        packet = av.Packet(bytes(data))
        packet.pts = packet.dts = stamp_ns
        packet.time_base = _NS
        yield from self._images(packet)

    def rest(self) -> Iterator[TimedImage]:
        """Yield the images that still wait in the decoder after the last packet."""
        yield from self._images(None)

    def _images(self, packet: av.Packet | None) -> Iterator[TimedImage]:
        import av

        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError as error:
            raise ImageError("corrupt", f"the video packet cannot be decoded: {error}") from error
        for frame in frames:
            if frame.is_corrupt:
                raise ImageError("corrupt", "a video packet before this one is missing")
            yield frame.pts or 0, np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
