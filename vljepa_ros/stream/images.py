# SPDX-License-Identifier: Apache-2.0
"""Pixels of a camera message as RGB, straight from its bytes, or a refusal that names the cause.

cv_bridge is not needed for the formats that robots' cameras send, so it is not asked: one OpenCV
call from the message's own memory, no copy in between. Two names have two meanings to know:
``yuv422`` is UYVY and ``yuv422_yuy2`` is YUYV (Humble's names; later releases say ``uyvy`` and
``yuyv``). A message that lies about its size is refused before its bytes are read, and an
encoding that could be read in two ways (``8UC3``) is refused as well: colours that are swapped in
silence cost more than a message in the log. Of 16 bits the 8 high ones count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 8192 * 8192

_Pixels = NDArray[np.uint8]


class ImageError(ValueError):
    """An image cannot be used. ``cause`` is a short word to count by: see below.

    ``size``: the fields of the message do not fit each other. ``encoding``: the format is not
    supported. ``corrupt``: the compressed data cannot be decoded. ``large``: too many pixels.
    """

    def __init__(self, cause: str, message: str) -> None:
        """Keep the word to count by; the message says what was found."""
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class _Format:
    """How one encoding lies in memory, and how it becomes RGB.

    Attributes:
        row_bytes: width in pixels to bytes of a row without its padding.
        to_rgb: rows with their padding (n, step), width and byte order to RGB (H, W, 3).
        even_width: whether two columns share their colour.
        chroma_halves: how many halves of the image's height its second plane adds to the rows.
        smallest: columns and rows below which OpenCV gives a black image.
    """

    row_bytes: Callable[[int], int]
    to_rgb: Callable[[_Pixels, int, bool], _Pixels]
    even_width: bool = False
    chroma_halves: int = 0
    smallest: int = 1


def decode_image(
    *, encoding: str, width: int, height: int, step: int, is_bigendian: bool, data: Any
) -> _Pixels:
    """Turn the fields of a ``sensor_msgs/Image`` into an RGB image.

    Args:
        encoding: one of :data:`SUPPORTED_ENCODINGS`.
        width: columns in pixels.
        height: rows in pixels.
        step: bytes from one row to the next; may be more than the row needs.
        is_bigendian: byte order of encodings with 16 bits.
        data: the bytes, as anything with a buffer (``bytes``, ``array.array``, numpy array).

    Returns:
        (height, width, 3). For rgb8 a view of ``data``, perhaps with padded rows.

    Raises:
        ImageError: ``encoding`` or ``size``.
    """
    layout = _FORMATS.get(encoding)
    if layout is None:
        raise ImageError("encoding", _why_not(encoding))
    _check_size(layout, encoding, width, height, step, memoryview(data).nbytes)
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, step)
    return layout.to_rgb(rows, width, is_bigendian)


def _why_not(encoding: str) -> str:
    """Return why an encoding is refused, and what to do about it."""
    if reason := REFUSED_ENCODINGS.get(encoding):
        return f"the encoding {encoding!r} {reason}"
    said = repr(encoding[:40])
    if encoding.lower() in _FORMATS:
        return f"the encoding {said} is not supported: its name in ROS is {encoding.lower()!r}"
    known = " ".join(_FORMATS)
    return f"the encoding {said} is not supported; supported are: {known}"


def _check_size(
    layout: _Format, encoding: str, width: int, height: int, step: int, size: int
) -> None:
    said = f"{encoding} {width}x{height}, step {step}, {size} bytes"
    if min(width, height) < layout.smallest:
        raise ImageError("size", f"the image is empty or too small: {said}")
    if step < layout.row_bytes(width):
        raise ImageError("size", f"a row needs {layout.row_bytes(width)} bytes: {said}")
    if (layout.even_width and width % 2) or (layout.chroma_halves and height % 2):
        raise ImageError("size", f"this encoding comes in pairs of pixels: {said}")
    needed = step * (height + layout.chroma_halves * height // 2)
    if size != needed:
        raise ImageError("size", f"{needed} bytes expected: {said}")


def _convert(pixels: _Pixels, code: int) -> _Pixels:
    return np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)


def _interleaved(
    channels: int, code: int | None, *, even_width: bool = False, smallest: int = 1
) -> _Format:
    """Pixels of ``channels`` bytes that one OpenCV call converts; None is RGB already."""

    def to_rgb(rows: _Pixels, width: int, _: bool) -> _Pixels:
        used = rows[:, : width * channels]
        pixels = used.reshape(len(rows), width, channels) if channels > 1 else used
        return pixels if code is None else _convert(pixels, code)

    return _Format(lambda width: width * channels, to_rgb, even_width, smallest=smallest)


def _high_bytes_of(eight: _Format) -> _Format:
    """Like ``eight``, with 16 bits for each of its 8."""

    def to_rgb(rows: _Pixels, width: int, is_bigendian: bool) -> _Pixels:
        used = rows[:, : 2 * eight.row_bytes(width)]
        high = np.ascontiguousarray(used[:, 0 if is_bigendian else 1 :: 2])
        return eight.to_rgb(high, width, is_bigendian)

    return _Format(lambda width: 2 * eight.row_bytes(width), to_rgb, smallest=eight.smallest)


def _two_planes(code: int) -> _Format:
    """Luma, then two chroma bytes for each four pixels (nv12, nv21)."""

    def to_rgb(rows: _Pixels, width: int, _: bool) -> _Pixels:
        return _convert(rows[:, :width], code)

    return _Format(lambda width: width, to_rgb, even_width=True, chroma_halves=1)


def _nv24(rows: _Pixels, width: int, _: bool) -> _Pixels:
    """Luma, then rows of two chroma bytes for each pixel; a quarter of these serves as nv12."""
    height = len(rows) // 3
    chroma = rows[height:].reshape(height, -1)[:, : 2 * width].reshape(height, width, 2)
    quarter = chroma[::2, ::2].reshape(height // 2, width)
    return _convert(np.vstack([rows[:height, :width], quarter]), cv2.COLOR_YUV2RGB_NV12)


_YUYV = _interleaved(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True)
_UYVY = _interleaved(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_RGB8 = _interleaved(3, None)
_BGR8 = _interleaved(3, cv2.COLOR_BGR2RGB)
_MONO8 = _interleaved(1, cv2.COLOR_GRAY2RGB)
_BAYER8 = {
    # OpenCV names a pattern by its second row and column, ROS by its first pixels.
    "bayer_rggb": _interleaved(1, cv2.COLOR_BayerBG2RGB, smallest=3),
    "bayer_bggr": _interleaved(1, cv2.COLOR_BayerRG2RGB, smallest=3),
    "bayer_gbrg": _interleaved(1, cv2.COLOR_BayerGR2RGB, smallest=3),
    "bayer_grbg": _interleaved(1, cv2.COLOR_BayerGB2RGB, smallest=3),
}
_FORMATS: dict[str, _Format] = {
    "rgb8": _RGB8,
    "bgr8": _BGR8,
    "rgba8": _interleaved(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _interleaved(4, cv2.COLOR_BGRA2RGB),
    "mono8": _MONO8,
    "8UC1": _MONO8,
    "rgb16": _high_bytes_of(_RGB8),
    "bgr16": _high_bytes_of(_BGR8),
    "mono16": _high_bytes_of(_MONO8),
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "nv12": _two_planes(cv2.COLOR_YUV2RGB_NV12),
    "nv21": _two_planes(cv2.COLOR_YUV2RGB_NV21),
    "nv24": _Format(lambda width: width, _nv24, even_width=True, chroma_halves=4),
    **{f"{pattern}8": eight for pattern, eight in _BAYER8.items()},
    **{f"{pattern}16": _high_bytes_of(eight) for pattern, eight in _BAYER8.items()},
}
SUPPORTED_ENCODINGS = frozenset(_FORMATS)
_DEPTH = "is a depth image without colours: name the topic of the colour images"
_ORDER = (
    "does not say whether its channels are RGB or BGR: let the driver say rgb8 or bgr8, or "
    "republish the topic with the right one"
)
# What has pixels that are no picture, or could be two pictures: guessing would be silent harm.
REFUSED_ENCODINGS = {
    "16UC1": _DEPTH,
    "32FC1": _DEPTH,
    "8UC3": _ORDER,
    "8UC4": _ORDER,
    "": "is empty: let the driver name it (for example rgb8), or republish the topic with a name",
}
