# SPDX-License-Identifier: Apache-2.0
"""Between messages and numpy."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image

from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common import conversions
from vljepa_ros.nodes.common.conversions import (
    to_floats,
    to_image,
    to_ns,
    to_rgb,
    to_stamp,
    to_vector,
)
from vljepa_ros.stream.images import ImageError

RED = np.full((4, 6, 3), (255, 0, 0), dtype=np.uint8)


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_700_000_000_123_456_789, -1])
def test_a_time_survives_the_way_there_and_back(time_ns: int) -> None:
    assert to_ns(to_stamp(time_ns)) == time_ns


def test_an_image_survives_the_way_there_and_back() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    message = to_image(image[:, ::-1], Time(sec=7), "front")
    assert (message.encoding, message.step, message.header.frame_id) == ("rgb8", 18, "front")
    np.testing.assert_array_equal(to_rgb(message), image[:, ::-1])


def test_a_vector_survives_the_way_there_and_back_without_a_copy() -> None:
    vector = np.linspace(-1, 1, 5, dtype=np.float32)
    message = Embedding(data=to_floats(vector))
    back = to_vector(message.data)
    np.testing.assert_array_equal(back, vector)
    assert np.shares_memory(back, np.frombuffer(message.data, dtype=np.float32))


def test_a_torn_jpeg_is_refused() -> None:
    with pytest.raises(ImageError) as refused:
        to_rgb(CompressedImage(format="jpeg", data=array.array("B", b"\xff\xd8\xff torn")))
    assert refused.value.cause == "corrupt"


@pytest.fixture
def cv_bridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A stand-in for cv_bridge, which cannot be had from PyPI; ``answer`` is what it returns."""
    stand_in = SimpleNamespace(answer=RED, asked=[])

    class CvBridge:
        def imgmsg_to_cv2(self, message: Image, wanted: str) -> Any:
            stand_in.asked.append((message.encoding, wanted))
            if isinstance(stand_in.answer, Exception):
                raise stand_in.answer
            return stand_in.answer

    module = ModuleType("cv_bridge")
    module.CvBridge = CvBridge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    conversions._cv_bridge.cache_clear()
    yield stand_in
    conversions._cv_bridge.cache_clear()


def rare_image() -> Image:
    image = to_image(RED, Time(), "")
    image.encoding = "bgra16"
    return image


def test_rare_encodings_are_left_to_cv_bridge(cv_bridge: SimpleNamespace) -> None:
    np.testing.assert_array_equal(to_rgb(rare_image()), RED)
    to_rgb(to_image(RED, Time(), ""))
    assert cv_bridge.asked == [("bgra16", "rgb8")]


def test_what_is_refused_for_a_reason_is_not_left_to_cv_bridge(cv_bridge: SimpleNamespace) -> None:
    depth = rare_image()
    depth.encoding = "16UC1"
    with pytest.raises(ImageError, match="depth image"):
        to_rgb(depth)
    assert not cv_bridge.asked


def test_what_cv_bridge_refuses_is_refused(cv_bridge: SimpleNamespace) -> None:
    cv_bridge.answer = RuntimeError("not a colour format")
    with pytest.raises(ImageError, match="not a colour format"):
        to_rgb(rare_image())


def test_without_cv_bridge_rare_encodings_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    conversions._cv_bridge.cache_clear()
    with pytest.raises(ImageError, match="bgra16"):
        to_rgb(rare_image())
    conversions._cv_bridge.cache_clear()
