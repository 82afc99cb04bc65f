# SPDX-License-Identifier: Apache-2.0
"""Every encoding comes out in its true colours, and no message does harm."""

from __future__ import annotations

import array
import dataclasses
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.camera_bytes import ENCODINGS, CameraMessage, message
from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import SUPPORTED_ENCODINGS, ImageError, decode_image

Pixels = NDArray[np.uint8]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (12, 200, 90), (0, 0, 0)]
GREY_ONLY = ("mono8", "mono16")
YUV = ("yuv422_yuy2", "yuyv", "yuv422", "uyvy", "nv12")


def decode(sent: CameraMessage) -> Pixels:
    return decode_image(**sent.fields())


def smooth_image(height: int = 48, width: int = 64) -> Pixels:
    """Return an RGB image in which every channel and every direction differs."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / width, y * 255 / height, 255 - (x + y) * 255 / (width + height)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def expected(encoding: str, image: Pixels) -> Pixels:
    return np.repeat(image[..., 1:2], 3, axis=-1) if encoding in GREY_ONLY else image


def tolerance(encoding: str) -> int:
    """Levels of 255 by which a smooth image may be off: rounding, and colours shared by pixels."""
    if encoding in YUV:
        return 10
    return 6 if encoding.startswith("bayer") else 0


def test_the_promised_encodings_are_all_tested() -> None:
    assert set(ENCODINGS) == SUPPORTED_ENCODINGS


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("colour", COLOURS)
def test_a_plain_colour_stays_that_colour(encoding: str, colour: tuple[int, int, int]) -> None:
    image = np.full((8, 10, 3), colour, dtype=np.uint8)
    difference = np.abs(decode(message(encoding, image)).astype(int) - expected(encoding, image))
    assert difference.max() <= (3 if encoding in YUV else 0)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("padding", [0, 1, 7, 64])
@pytest.mark.parametrize("is_bigendian", [False, True])
def test_every_pixel_is_at_its_place(encoding: str, padding: int, is_bigendian: bool) -> None:
    image = smooth_image()
    got = decode(message(encoding, image, padding=padding, is_bigendian=is_bigendian))
    assert got.shape == image.shape
    assert got.dtype == np.uint8
    difference = np.abs(got.astype(int) - expected(encoding, image))[1:-1, 1:-1]
    assert difference.max() <= tolerance(encoding)


@pytest.mark.parametrize("encoding", ["yuyv", "uyvy"])
def test_the_two_pixels_of_a_pair_keep_their_order(encoding: str) -> None:
    image = np.zeros((4, 8, 3), dtype=np.uint8)
    image[:, 1::2] = 255
    got = decode(message(encoding, image))
    assert (got[:, 0::2] < 5).all()
    assert (got[:, 1::2] > 250).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_all_kinds_of_memory_are_read(encoding: str) -> None:
    sent = message(encoding, smooth_image())
    reference = decode(sent)
    for data in (
        array.array("B", sent.data),
        bytearray(sent.data),
        memoryview(sent.data),
        np.frombuffer(sent.data, dtype=np.uint8),
    ):
        np.testing.assert_array_equal(decode(dataclasses.replace(sent, data=data)), reference)


@pytest.mark.parametrize("padding", [0, 5])
def test_rgb_is_not_copied(padding: int) -> None:
    sent = message("rgb8", smooth_image(), padding=padding)
    data = np.frombuffer(sent.data, dtype=np.uint8)
    assert np.shares_memory(decode(dataclasses.replace(sent, data=data)), data)


@pytest.mark.parametrize(
    "encoding", ["16UC1", "32FC1", "8UC3", "RGB8", "h264", "", "bayer_rggb16"]
)
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    sent = dataclasses.replace(message("rgb8", smooth_image()), encoding=encoding)
    with pytest.raises(ImageError, match=repr(encoding)) as caught:
        decode(sent)
    assert caught.value.cause == "encoding"


def lies(sent: CameraMessage) -> list[CameraMessage]:
    huge = 2**32 - 1
    return [
        dataclasses.replace(sent, **change)
        for change in (
            {"data": sent.data[:-1]},
            {"data": sent.data + b"\0"},
            {"data": b""},
            {"step": sent.step - 1},
            {"step": 0},
            {"step": 2 * sent.step},
            {"step": huge},
            {"width": 0},
            {"height": 0},
            {"width": sent.width + 2},
            {"height": sent.height + 2},
            {"height": sent.height - 2},
            {"width": huge, "height": huge, "step": huge},
        )
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("lie", range(13))
def test_a_message_that_lies_about_its_size_is_refused(encoding: str, lie: int) -> None:
    with pytest.raises(ImageError, match=encoding) as caught:
        decode(lies(message(encoding, smooth_image()))[lie])
    assert caught.value.cause == "size"


@pytest.mark.parametrize("encoding", YUV)
def test_half_a_pair_of_pixels_is_refused(encoding: str) -> None:
    bytes_per_pixel = 1 if encoding == "nv12" else 2
    odd = CameraMessage(encoding, 5, 4, 5 * bytes_per_pixel, False, bytes(200))
    with pytest.raises(ImageError, match="pairs") as caught:
        decode(odd)
    assert caught.value.cause == "size"


def test_a_mosaic_too_small_to_have_colours_is_refused() -> None:
    with pytest.raises(ImageError, match="too small"):
        decode(CameraMessage("bayer_rggb8", 2, 2, 2, False, b"abcd"))


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16"])
def test_an_image_of_one_pixel_is_an_image(encoding: str) -> None:
    image = np.array([[[7, 100, 250]]], dtype=np.uint8)
    np.testing.assert_array_equal(
        decode(message(encoding, image, is_bigendian=True)), expected(encoding, image)
    )


@given(
    encoding=st.sampled_from(ENCODINGS) | st.text(max_size=5),
    width=st.integers(0, 9),
    height=st.integers(0, 9),
    step=st.integers(0, 40),
    is_bigendian=st.booleans(),
    data=st.binary(max_size=400),
    fitting=st.booleans(),
)
@example("nv12", 2, 2, 2, False, b"abcdef", False)
def test_whatever_the_fields_say_the_answer_is_an_image_or_a_refusal(
    encoding: str,
    width: int,
    height: int,
    step: int,
    is_bigendian: bool,
    data: bytes,
    fitting: bool,
) -> None:
    if fitting:
        size = step * height * 3 // 2 if encoding == "nv12" else step * height
        data = (data * size)[:size] if data else bytes(size)
    fields = {"width": width, "height": height, "step": step}
    try:
        image = decode_image(encoding=encoding, is_bigendian=is_bigendian, data=data, **fields)
    except ImageError as error:
        assert error.cause in ("encoding", "size")
    else:
        assert image.shape == (height, width, 3)


def compressed(extension: str, image: Pixels, *options: int) -> bytes:
    done, data = cv2.imencode(extension, image[..., ::-1], list(options))
    assert done
    return bytes(data)


def test_png_is_exact() -> None:
    image = smooth_image()
    np.testing.assert_array_equal(decode_compressed(compressed(".png", image)), image)


def test_jpeg_is_close_and_red_stays_red() -> None:
    image = smooth_image(64, 64)
    got = decode_compressed(compressed(".jpg", image, cv2.IMWRITE_JPEG_QUALITY, 98))
    assert np.abs(got.astype(int) - image).mean() < 2


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_grey_image_has_three_equal_channels(extension: str) -> None:
    done, data = cv2.imencode(extension, smooth_image()[..., 0])
    assert done
    got = decode_compressed(data)
    assert got.shape == (48, 64, 3)
    assert (got[..., 0] == got[..., 2]).all()


def test_data_of_a_message_array_and_rubbish_after_the_end_are_fine() -> None:
    jpeg = compressed(".jpg", smooth_image())
    reference = decode_compressed(jpeg)
    for data in (array.array("B", jpeg), jpeg + b"\0" * 500, jpeg + b"\x12\x34"):
        np.testing.assert_array_equal(decode_compressed(data), reference)


def test_a_fill_byte_before_a_segment_is_legal() -> None:
    jpeg = compressed(".jpg", smooth_image())
    filled = jpeg[:2] + b"\xff" + jpeg[2:]
    np.testing.assert_array_equal(decode_compressed(filled), decode_compressed(jpeg))


def test_the_end_of_a_preview_inside_is_not_the_end_of_the_image() -> None:
    jpeg = compressed(".jpg", smooth_image(200, 200))
    preview = compressed(".jpg", smooth_image(8, 8))
    segment = b"\xff\xe2" + struct.pack(">H", len(preview) + 2) + preview
    whole = jpeg[:2] + segment + jpeg[2:]
    np.testing.assert_array_equal(decode_compressed(whole), decode_compressed(jpeg))
    with pytest.raises(ImageError, match="the end is missing"):
        decode_compressed(whole[:-100])


def test_a_rotation_mark_does_not_turn_the_image() -> None:
    jpeg = compressed(".jpg", smooth_image())
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + orientation + struct.pack("<I", 0)
    segment = b"Exif\0\0" + tiff
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    turned = cv2.imdecode(np.frombuffer(marked, np.uint8), cv2.IMREAD_COLOR)
    assert turned is not None
    assert turned.shape == (64, 48, 3)
    assert decode_compressed(marked).shape == (48, 64, 3)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@given(data=st.data())
def test_a_cut_off_image_is_refused(extension: str, data: st.DataObject) -> None:
    whole = compressed(extension, smooth_image())
    cut = data.draw(st.integers(0, len(whole) - 3))
    with pytest.raises(ImageError) as caught:
        decode_compressed(whole[:cut])
    assert caught.value.cause in ("corrupt", "encoding")


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@given(data=st.data())
def test_changed_bytes_give_an_image_or_a_refusal(extension: str, data: st.DataObject) -> None:
    whole = bytearray(compressed(extension, smooth_image()))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_compressed(whole)
    except ImageError as error:
        assert error.cause in ("corrupt", "encoding", "large")
    else:
        assert image.ndim == 3


def png_of(width: int, height: int) -> bytes:
    """Return a small file that promises a large image."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(1000))
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    jpeg = bytearray(compressed(".jpg", smooth_image()))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(jpeg)


@pytest.mark.parametrize("data", [png_of(30_000, 30_000), jpeg_of(32_000, 32_000)])
def test_a_small_file_cannot_take_gigabytes(data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode_compressed(data)
    assert caught.value.cause == "large"


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"GIF89a", b"BM" + bytes(60), b"\0" * 100, bytes(range(256))]
)
def test_other_formats_are_refused(data: Any) -> None:
    with pytest.raises(ImageError) as caught:
        decode_compressed(data)
    assert caught.value.cause == "encoding"


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xff\xff\xff\xd9", b"\xff\xd8\xff\xd9"])
def test_a_jpeg_without_a_header_is_corrupt(data: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode_compressed(data)
    assert caught.value.cause == "corrupt"
