# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG data as RGB pixels, checked as a whole before OpenCV sees a byte of it.

Decoders believe what a file says of itself: 69 bytes have taken gigabytes, and what is cut off
comes back filled with grey. So the structure is walked here, which is cheap, and OpenCV gets only
what was walked. No data costs more memory or time than an honest image of MAX_PIXELS.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.images import MAX_PIXELS, REFUSED_ENCODINGS, ImageError

_JPEG_START, _PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_VIDEO_STARTS = (b"\0\0\0\1", b"\0\0\1")

_START_OF_IMAGE, _START_OF_SCAN, _END_OF_IMAGE = 0xD8, 0xDA, 0xD9
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_SCANS = 32  # each costs as much as the whole image; encoders make 10 of them
_MOST_SEGMENTS = 1000
_JPEG_COMPONENTS = (1, 3, 4)

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PNG_DEPTHS = (1, 2, 4, 8, 16)
_PNG_NEEDED = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_MOST_CHUNKS = 100_000  # the usual ones hold 8 kB
_HIGHEST_RATIO = 1032  # to 1 is the most that deflate packs


def decode_compressed(data: Any, said: str = "") -> NDArray[np.uint8]:
    """Turn JPEG or PNG data of a ``sensor_msgs/CompressedImage`` or a file into an RGB image.

    Rotation marks are ignored, so the image is the one that the raw topic would show. Bytes
    behind the end of the image are ignored: drivers send the rest of an old buffer along.

    Args:
        data: the bytes, as anything with a buffer.
        said: the message's ``format``, which names what is refused. It does not choose the
            decoder, since drivers leave it empty or wrong.

    Returns:
        (height, width, 3), own memory.

    Raises:
        ImageError: ``encoding`` (neither JPEG nor PNG, or depth), ``large`` or ``corrupt``.
    """
    raw = bytes(data)
    original = said.partition(";")[0].strip()
    if original in ("16UC1", "32FC1"):
        raise ImageError("encoding", f"the format {said[:40]!r} {REFUSED_ENCODINGS[original]}")
    if raw.startswith(_JPEG_START):
        whole = _whole_jpeg(raw)
    elif raw.startswith(_PNG_START):
        whole = _whole_png(raw)
    else:
        raise ImageError("encoding", _what_it_is(raw, said))
    return _decode(whole)


def _what_it_is(raw: bytes, said: str) -> str:
    name = f", its format says {said[:40]!r}" if said else ""
    if raw.startswith(_VIDEO_STARTS):
        return (
            f"the data are packets of a video and no image{name}: republish them as raw or JPEG "
            "images"
        )
    return f"neither JPEG nor PNG: the data starts with {raw[:4]!r}{name}"


def _decode(whole: bytes) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(whole, dtype=np.uint8), flags)
    except cv2.error as error:
        raise ImageError("corrupt", f"OpenCV cannot decode the image: {error.err}") from error
    if image is None:
        raise ImageError("corrupt", "OpenCV cannot decode the image")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _check_pixels(columns: int, rows: int) -> None:
    if not rows * columns:
        raise ImageError("corrupt", f"the header says {columns}x{rows} pixels")
    if rows * columns > MAX_PIXELS:
        raise ImageError("large", f"{columns}x{rows} pixels are more than {MAX_PIXELS}")


def _whole_jpeg(raw: bytes) -> bytes:
    """Return a JPEG image from its start to its end, without what follows."""
    frames = scans = 0
    for kind, body, end in _jpeg_segments(raw):
        if kind in _FRAME_MARKERS:
            frames += 1
            if len(body) < 6 or body[5] not in _JPEG_COMPONENTS:
                raise ImageError("corrupt", "the JPEG header is not that of an image")
            _check_pixels(int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
        elif kind == _START_OF_SCAN:
            scans += 1
        elif kind == _END_OF_IMAGE:
            if frames != 1 or not scans:
                raise ImageError("corrupt", f"a JPEG with {frames} headers and {scans} scans")
            return raw[:end]
        if scans > _MOST_SCANS:
            raise ImageError("corrupt", f"a JPEG with more than {_MOST_SCANS} scans")
    raise ImageError("corrupt", f"the end is missing: {len(raw)} bytes came")


def _jpeg_segments(raw: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield (marker, body, position behind it) of a JPEG's segments up to the end of the image.

    What lies between the segments is compressed pixels.
    """
    markers = _jpeg_markers(raw)
    position = 2
    for _ in range(_MOST_SEGMENTS):
        index = int(np.searchsorted(markers, position))
        if index == len(markers):
            return
        position = int(markers[index]) + 2
        kind = raw[position - 1]
        if kind == _END_OF_IMAGE:
            yield kind, b"", position
        if kind in (_END_OF_IMAGE, _START_OF_IMAGE):  # the next image's, if the end is missing
            return
        length = int.from_bytes(raw[position : position + 2], "big")
        body = raw[position + 2 : position + length]
        position += max(length, 2)
        if len(body) != length - 2:
            return
        yield kind, body, position
    raise ImageError("corrupt", f"a JPEG with more than {_MOST_SEGMENTS} parts")


def _jpeg_markers(raw: bytes) -> NDArray[np.intp]:
    """Return the positions of all that may be a marker, in the whole data at once.

    Compressed pixels contain 0xff only before a 0 and in the markers that synchronise (RST0 to
    RST7). Before a marker 0xff may stand any number of times.
    """
    data = np.frombuffer(raw, dtype=np.uint8)
    starts = np.flatnonzero(data[:-1] == 0xFF)
    kinds = data[starts + 1]
    in_pixels = (kinds == 0) | ((kinds >= 0xD0) & (kinds <= 0xD7))
    return np.asarray(starts[~in_pixels & (kinds != 0xFF)])


def _whole_png(raw: bytes) -> bytes:
    """Return the chunks of a PNG that make up its picture, each of which was checked."""
    needed = [_PNG_START]
    packed = promised = 0
    for kind, body, chunk in _png_chunks(raw):
        if (kind == b"IHDR") == bool(promised):
            raise ImageError("corrupt", "a PNG has one header, and it comes first")
        if kind == b"IHDR":
            promised = _promised_bytes(body)
        packed += len(body) if kind == b"IDAT" else 0
        if kind in _PNG_NEEDED:
            needed.append(chunk)
    if packed * _HIGHEST_RATIO < promised:
        raise ImageError("corrupt", f"{packed} bytes cannot hold the {promised} of the image")
    return b"".join(needed)


def _png_chunks(raw: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield (kind, body, whole chunk) up to the chunk that ends the image."""
    position = len(_PNG_START)
    for _ in range(_MOST_CHUNKS):
        length = int.from_bytes(raw[position : position + 4], "big")
        end = position + length + 12
        if end > len(raw) or position + 12 > len(raw):
            raise ImageError("corrupt", f"the end is missing: {len(raw)} bytes came")
        kind, body = raw[position + 4 : position + 8], raw[position + 8 : end - 4]
        if zlib.crc32(raw[position + 4 : end - 4]) != int.from_bytes(raw[end - 4 : end], "big"):
            raise ImageError("corrupt", f"the checksum of the part {kind!r} is wrong")
        yield kind, body, raw[position:end]
        if kind == b"IEND":
            return
        position = end
    raise ImageError("corrupt", f"a PNG with more than {_MOST_CHUNKS} parts")


def _promised_bytes(header: bytes) -> int:
    """Return how many bytes the pixels of a PNG take when they are unpacked."""
    if len(header) != 13:
        raise ImageError("corrupt", f"a PNG header of {len(header)} bytes")
    columns, rows = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour = header[8:10]
    if colour not in _PNG_CHANNELS or depth not in _PNG_DEPTHS:
        raise ImageError("corrupt", f"a PNG of colour type {colour} with {depth} bits")
    _check_pixels(columns, rows)
    return rows * (columns * _PNG_CHANNELS[colour] * depth // 8)
