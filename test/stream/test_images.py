# SPDX-License-Identifier: Apache-2.0
"""Every encoding comes out in its true colours, and no message does harm."""

from __future__ import annotations

import array
import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.camera_bytes import ENCODINGS, CameraMessage, message, smooth_image
from vljepa_ros.stream.images import SUPPORTED_ENCODINGS, ImageError, decode_image

Pixels = NDArray[np.uint8]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (12, 200, 90), (0, 0, 0)]
GREY_ONLY = ("mono8", "8UC1", "mono16")
YUV = ("yuv422_yuy2", "yuyv", "yuv422", "uyvy", "nv12", "nv21", "nv24")


def decode(sent: CameraMessage) -> Pixels:
    return decode_image(**sent.fields())


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
    ("encoding", "says"),
    [
        ("16UC1", "depth image.*name the topic of the colour images"),
        ("32FC1", "depth image.*name the topic of the colour images"),
        ("8UC3", "RGB or BGR"),
        ("8UC4", "RGB or BGR"),
        ("RGB8", "its name in ROS is 'rgb8'"),
        ("BAYER_RGGB8", "its name in ROS is 'bayer_rggb8'"),
        ("h264", "supported are: rgb8 bgr8"),
        ("bgra16", "supported are: rgb8 bgr8"),
        ("", "is empty"),
    ],
)
def test_other_encodings_are_refused_by_name_and_with_advice(encoding: str, says: str) -> None:
    sent = dataclasses.replace(message("rgb8", smooth_image()), encoding=encoding)
    with pytest.raises(ImageError, match=f"{encoding!r}.*{says}") as caught:
        decode(sent)
    assert caught.value.cause == "encoding"


def test_an_encoding_of_megabytes_gives_a_short_refusal() -> None:
    sent = dataclasses.replace(message("rgb8", smooth_image()), encoding="x" * 8_000_000)
    with pytest.raises(ImageError) as caught:
        decode(sent)
    assert len(str(caught.value)) < 500


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
    bytes_per_pixel = 1 if encoding.startswith("nv") else 2
    odd = CameraMessage(encoding, 5, 4, 5 * bytes_per_pixel, False, bytes(200))
    with pytest.raises(ImageError, match="pairs") as caught:
        decode(odd)
    assert caught.value.cause == "size"


def test_a_mosaic_too_small_to_have_colours_is_refused() -> None:
    with pytest.raises(ImageError, match="too small"):
        decode(CameraMessage("bayer_rggb8", 2, 2, 2, False, b"abcd"))


@pytest.mark.parametrize(
    "encoding",
    ["rgb8", "bgr8", "rgba8", "bgra8", "mono8", "8UC1", "mono16", "rgb16", "bgr16"],
)
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
@example("nv24", 2, 2, 3, False, b"abc" * 6, False)
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
        halves = {"nv12": 3, "nv21": 3, "nv24": 6}.get(encoding, 2)
        size = step * height * halves // 2
        data = (data * size)[:size] if data else bytes(size)
    fields = {"width": width, "height": height, "step": step}
    try:
        image = decode_image(encoding=encoding, is_bigendian=is_bigendian, data=data, **fields)
    except ImageError as error:
        assert error.cause in ("encoding", "size")
    else:
        assert image.shape == (height, width, 3)
