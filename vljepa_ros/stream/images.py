# SPDX-License-Identifier: Apache-2.0
"""Pixels of a camera message as RGB, straight from its bytes, or a refusal that names the cause.

cv_bridge is not needed for the formats that robots' cameras send, so it is not asked: one OpenCV
call from the message's own memory, no copy in between. Two names have two meanings to know:
``yuv422`` is UYVY and ``yuv422_yuy2`` is YUYV (Humble's names; later releases say ``uyvy`` and
``yuyv``). A message that lies about its size is refused before its bytes are read, and an
encoding that could be read in two ways (``8UC3``) is refused as well: colours that are swapped in
silence cost more than a message in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 8192 * 8192
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_END_WITHIN = 64  # bytes at the end of the data in which some cameras put rubbish of their own

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
    """How one encoding lies in memory, and how it becomes RGB."""

    row_bytes: Callable[[int], int]
    to_rgb: Callable[[_Pixels, int, bool], _Pixels]
    even_width: bool = False
    half_rows_more: bool = False  # a second plane of half the height follows (nv12)
    smallest: int = 1  # columns and rows below which OpenCV gives a black image


def decode_image(
    *, encoding: str, width: int, height: int, step: int, is_bigendian: bool, data: Any
) -> _Pixels:
    """Turn the fields of a ``sensor_msgs/Image`` into an RGB image.

    Args:
        encoding: one of :data:`SUPPORTED_ENCODINGS`.
        width: columns in pixels.
        height: rows in pixels.
        step: bytes from one row to the next; may be more than the row needs.
        is_bigendian: byte order of mono16, which is read by its 8 high bits.
        data: the bytes, as anything with a buffer (``bytes``, ``array.array``, numpy array).

    Returns:
        (height, width, 3). For rgb8 a view of ``data``, perhaps with padded rows.

    Raises:
        ImageError: ``encoding`` or ``size``.
    """
    layout = _FORMATS.get(encoding)
    if layout is None:
        raise ImageError("encoding", f"the encoding {encoding!r} is not supported")
    _check_size(layout, encoding, width, height, step, memoryview(data).nbytes)
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, step)[:, : layout.row_bytes(width)]
    return layout.to_rgb(rows, width, is_bigendian)


def decode_compressed(data: Any) -> _Pixels:
    """Turn JPEG or PNG data of a ``sensor_msgs/CompressedImage`` into an RGB image.

    Rotation marks are ignored, so the image is the one that the raw topic would show.

    Args:
        data: the bytes, as anything with a buffer.

    Returns:
        (height, width, 3), own memory.

    Raises:
        ImageError: ``encoding`` (neither JPEG nor PNG), ``large`` or ``corrupt``.
    """
    raw = bytes(data)
    _check_complete(raw)
    rows, columns = _announced_size(raw)
    if rows * columns > MAX_PIXELS:
        raise ImageError("large", f"{columns}x{rows} pixels are more than {MAX_PIXELS}")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(raw, dtype=np.uint8), flags)
    except cv2.error as error:
        raise ImageError("corrupt", f"OpenCV cannot decode the image: {error.err}") from error
    if image is None:
        raise ImageError("corrupt", "OpenCV cannot decode the image")
    return _convert(np.asarray(image, dtype=np.uint8), cv2.COLOR_BGR2RGB)


def _check_size(
    layout: _Format, encoding: str, width: int, height: int, step: int, size: int
) -> None:
    said = f"{encoding} {width}x{height}, step {step}, {size} bytes"
    if min(width, height) < layout.smallest:
        raise ImageError("size", f"the image is empty or too small: {said}")
    if step < layout.row_bytes(width):
        raise ImageError("size", f"a row needs {layout.row_bytes(width)} bytes: {said}")
    if (layout.even_width and width % 2) or (layout.half_rows_more and height % 2):
        raise ImageError("size", f"this encoding comes in pairs of pixels: {said}")
    needed = step * (height + height // 2 if layout.half_rows_more else height)
    if size != needed:
        raise ImageError("size", f"{needed} bytes expected: {said}")


def _convert(pixels: _Pixels, code: int) -> _Pixels:
    return np.asarray(cv2.cvtColor(pixels, code), dtype=np.uint8)


def _interleaved(
    channels: int, code: int | None, *, even_width: bool = False, smallest: int = 1
) -> _Format:
    """Pixels of ``channels`` bytes that one OpenCV call converts; None is RGB already."""

    def to_rgb(rows: _Pixels, width: int, _: bool) -> _Pixels:
        pixels = rows.reshape(len(rows), width, channels) if channels > 1 else rows
        return pixels if code is None else _convert(pixels, code)

    return _Format(lambda width: width * channels, to_rgb, even_width, smallest=smallest)


def _bayer(code: int) -> _Format:
    return _interleaved(1, code, smallest=3)


def _mono16(rows: _Pixels, width: int, is_bigendian: bool) -> _Pixels:
    high = rows.reshape(len(rows), width, 2)[:, :, 0 if is_bigendian else 1]
    return _convert(np.ascontiguousarray(high), cv2.COLOR_GRAY2RGB)


def _nv12(rows: _Pixels, width: int, _: bool) -> _Pixels:
    return _convert(rows, cv2.COLOR_YUV2RGB_NV12)


_YUYV = _interleaved(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True)
_UYVY = _interleaved(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_FORMATS: dict[str, _Format] = {
    "rgb8": _interleaved(3, None),
    "bgr8": _interleaved(3, cv2.COLOR_BGR2RGB),
    "rgba8": _interleaved(4, cv2.COLOR_RGBA2RGB),
    "bgra8": _interleaved(4, cv2.COLOR_BGRA2RGB),
    "mono8": _interleaved(1, cv2.COLOR_GRAY2RGB),
    "mono16": _Format(lambda width: 2 * width, _mono16),
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "nv12": _Format(lambda width: width, _nv12, even_width=True, half_rows_more=True),
    # OpenCV names a pattern by its second row and column, ROS by its first pixels.
    "bayer_rggb8": _bayer(cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": _bayer(cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": _bayer(cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": _bayer(cv2.COLOR_BayerGB2RGB),
}
SUPPORTED_ENCODINGS = frozenset(_FORMATS)


def _check_complete(raw: bytes) -> None:
    """Refuse what is cut off: decoders fill the rest of such an image with grey."""
    if raw.startswith(_JPEG_START):
        end = _JPEG_END
    elif raw.startswith(_PNG_START):
        end = _PNG_END
    else:
        raise ImageError("encoding", f"neither JPEG nor PNG: the data starts with {raw[:4]!r}")
    if end not in raw.rstrip(b"\0")[-_END_WITHIN:]:
        raise ImageError("corrupt", f"the end is missing: {len(raw)} bytes came")


def _announced_size(raw: bytes) -> tuple[int, int]:
    """Return the rows and columns that the header promises, before memory is taken for them."""
    if raw.startswith(_PNG_START):
        return int.from_bytes(raw[20:24], "big"), int.from_bytes(raw[16:20], "big")
    position = 2
    while position + 9 <= len(raw) and raw[position] == 0xFF:
        kind = raw[position + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            rows, columns = raw[position + 5 : position + 7], raw[position + 7 : position + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        if kind == 0xFF:  # A fill byte.
            position += 1
        else:
            position += 2 + int.from_bytes(raw[position + 2 : position + 4], "big")
    raise ImageError("corrupt", "the JPEG header names no size")
