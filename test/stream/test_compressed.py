# SPDX-License-Identifier: Apache-2.0
"""JPEG and PNG data come out as they are, and no data takes more than an honest image does."""

from __future__ import annotations

import array
import struct
import time
import tracemalloc
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.camera_bytes import smooth_image
from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import ImageError

Pixels = NDArray[np.uint8]
START_OF_SCAN = b"\xff\xda"


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


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int, pixels: bytes = bytes(1000), *between: bytes) -> bytes:
    """Return a PNG file that promises a size, whatever it holds; `between` follows the header."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(between) + body


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


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode_compressed(data)
    return caught.value


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1024, 2048, 500_000])
def test_the_rest_of_an_old_buffer_behind_a_jpeg_is_ignored(size: int) -> None:
    jpeg = compressed(".jpg", smooth_image())
    old = compressed(".jpg", smooth_image(400, 400))
    stale = (old * (size // len(old) + 1))[-size:]
    np.testing.assert_array_equal(decode_compressed(jpeg + stale), decode_compressed(jpeg))


@pytest.mark.parametrize(
    "options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]]
)
def test_all_kinds_of_jpeg_may_have_another_jpeg_behind(options: list[int]) -> None:
    jpeg = compressed(".jpg", smooth_image(), *options)
    other = compressed(".jpg", smooth_image(8, 8))
    np.testing.assert_array_equal(decode_compressed(jpeg + other), decode_compressed(jpeg))


def test_a_jpeg_without_an_end_is_cut_off_even_if_another_follows() -> None:
    jpeg = compressed(".jpg", smooth_image())[:-2]
    other = compressed(".jpg", smooth_image(8, 8))
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    large = compressed(".jpg", noise)  # larger than any segment
    for rest in (b"", b"\0" * 100, other, b"\0" * 100 + other, large, large + other):
        assert "the end is missing" in str(refusal(jpeg + rest))


def test_bytes_behind_a_png_are_ignored() -> None:
    png = compressed(".png", smooth_image())
    np.testing.assert_array_equal(decode_compressed(png + png[:500]), smooth_image())


def with_length(png: bytes, kind: bytes, length: int) -> bytes:
    place = png.index(kind) - 4
    return png[:place] + struct.pack(">I", length) + png[place + 4 :]


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"IEND"])
@pytest.mark.parametrize("length", [0xDD00000C, 0xFFFFFFFF, 0x7FFFFFFF, 0x10000000, 1, 5])
def test_a_chunk_length_that_lies_takes_neither_memory_nor_time(kind: bytes, length: int) -> None:
    png = with_length(compressed(".png", smooth_image()), kind, length)
    tracemalloc.start()
    begin = time.process_time()
    assert refusal(png).cause == "corrupt"
    assert time.process_time() - begin < 0.1
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_a_png_may_not_promise_more_than_its_data_can_hold() -> None:
    assert "cannot hold" in str(refusal(png_of(8000, 8000)))


def test_a_png_with_too_few_pixels_is_refused() -> None:
    row = bytes(1 + 3 * 64)
    assert decode_compressed(png_of(64, 48, 48 * row)).shape == (48, 64, 3)
    assert refusal(png_of(64, 48, 47 * row)).cause == "corrupt"


@pytest.mark.parametrize("kind", [b"acTL", b"fcTL", b"fdAT", b"zTXt", b"iCCP", b"eXIf", b"teSt"])
def test_only_what_makes_up_the_picture_reaches_the_decoder(kind: bytes) -> None:
    """Animations and compressed texts are where decoders take memory that nobody announced."""
    bomb = chunk(kind, b"name\0\0" + zlib.compress(bytes(10_000_000)))
    pixels = 48 * (b"\0" + bytes(range(192)))
    plain, loaded = png_of(64, 48, pixels), png_of(64, 48, pixels, bomb)
    np.testing.assert_array_equal(decode_compressed(loaded), decode_compressed(plain))


def test_a_second_header_is_refused() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    assert refusal(png_of(8, 8, bytes(1000), header)).cause == "corrupt"


def test_a_second_jpeg_header_inside_is_refused() -> None:
    jpeg = compressed(".jpg", smooth_image())
    place = jpeg.index(b"\xff\xc0")
    header = jpeg[place : place + 19]
    huge = header[:5] + struct.pack(">HH", 60_000, 60_000) + header[9:]
    assert refusal(jpeg[:place] + huge + jpeg[place:]).cause == "large"
    assert refusal(jpeg[:place] + header + jpeg[place:]).cause == "corrupt"


def test_scans_without_number_are_refused() -> None:
    """Each scan goes over the whole image, and an empty one has 12 bytes."""
    jpeg = compressed(".jpg", smooth_image(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_compressed(jpeg).shape == (48, 64, 3)
    scan = jpeg[jpeg.rindex(START_OF_SCAN) : -2]
    assert refusal(jpeg[:-2] + 100 * scan + jpeg[-2:]).cause == "corrupt"


@pytest.mark.parametrize("filler", [b"\xff\x00", b"\xff", b"\xff\xfe\x00\x02", b"\xff\xd0"])
def test_a_jpeg_is_walked_in_linear_time(filler: bytes) -> None:
    jpeg = compressed(".jpg", smooth_image())
    place = jpeg.index(START_OF_SCAN)
    begin = time.process_time()
    try:
        decode_compressed(jpeg[:place] + filler * 500_000 + jpeg[place:])
    except ImageError as error:
        assert error.cause == "corrupt"
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize("said", ["16UC1; png compressed", "32FC1; compressedDepth png", "16UC1"])
def test_compressed_depth_is_refused_in_its_own_words(said: str) -> None:
    with pytest.raises(ImageError, match="depth image") as caught:
        decode_compressed(compressed(".png", smooth_image()), said)
    assert caught.value.cause == "encoding"


@pytest.mark.parametrize("start", [b"\0\0\0\x01\x67", b"\0\0\x01\x09"])
def test_video_packets_are_named(start: bytes) -> None:
    with pytest.raises(ImageError, match="packets of a video.*'h264'") as caught:
        decode_compressed(start + bytes(100), "h264")
    assert caught.value.cause == "encoding"


@pytest.mark.parametrize("said", ["", "png", "bgr8; jpeg compressed bgr8", "nonsense"])
def test_the_format_field_does_not_choose_the_decoder(said: str) -> None:
    assert decode_compressed(compressed(".jpg", smooth_image()), said).shape == (48, 64, 3)
