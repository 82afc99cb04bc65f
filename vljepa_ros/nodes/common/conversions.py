# SPDX-License-Identifier: Apache-2.0
"""Between messages and numpy, without copies if the types allow it.

Arrays enter messages as ``array.array`` filled with ``frombytes``: every other way is ten to a
thousand times slower, and is refused or checked element by element if rclpy checks fields
(always in Humble, with ROS_PYTHON_CHECK_FIELDS=1 later).
"""

from __future__ import annotations

import array
from functools import lru_cache
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import (
    REFUSED_ENCODINGS,
    SUPPORTED_ENCODINGS,
    ImageError,
    decode_image,
)

_NS_PER_S = 1_000_000_000
_MAX_NAME = 256  # characters of an encoding, a format or a frame_id


def to_ns(stamp: Time) -> int:
    """Return a message's time in nanoseconds."""
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)


def to_stamp(time_ns: int) -> Time:
    """Return nanoseconds as a message's time."""
    seconds, nanoseconds = divmod(time_ns, _NS_PER_S)
    return Time(sec=seconds, nanosec=nanoseconds)


def to_rgb(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """Return an image message's pixels as RGB (H, W, 3); may share memory with the message.

    Encodings that the stream room does not know are left to cv_bridge if that is installed.

    Raises:
        ImageError: the message cannot be read; its ``cause`` says why in one word, also
            ``frame_id`` or ``encoding`` if that is too long to be a name.
    """
    _check_names(message)
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data, message.format)
    ours = message.encoding in SUPPORTED_ENCODINGS or message.encoding in REFUSED_ENCODINGS
    if not ours and (bridge := _cv_bridge()) is not None:
        return _by_cv_bridge(bridge, message)
    return decode_image(
        encoding=message.encoding,
        width=message.width,
        height=message.height,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
        data=message.data,
    )


def to_image(image: NDArray[np.uint8], stamp: Time, frame_id: str) -> Image:
    """Return an RGB image (H, W, 3) as an rgb8 message."""
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.header.stamp = stamp
    message.header.frame_id = frame_id
    pixels = array.array("B")
    pixels.frombytes(np.ascontiguousarray(image).data.cast("B"))
    message.data = pixels
    return message


def to_floats(vector: NDArray[np.float32]) -> array.array[float]:
    """Return a vector as what a float32[] field takes."""
    floats = array.array("f")
    floats.frombytes(np.ascontiguousarray(vector, dtype=np.float32).tobytes())
    return floats


def to_vector(floats: array.array[float]) -> NDArray[np.float32]:
    """Return a float32[] field as a vector that shares its memory."""
    return np.frombuffer(floats, dtype=np.float32)


def _check_names(message: Image | CompressedImage) -> None:
    """Refuse names that are none, before they get into logs, reports and other messages."""
    compressed = isinstance(message, CompressedImage)
    encoding = message.format if compressed else message.encoding
    for cause, name in (("frame_id", message.header.frame_id), ("encoding", encoding)):
        if len(name) > _MAX_NAME:
            said = f"its {cause} has {len(name)} characters; there may be {_MAX_NAME}"
            raise ImageError(cause, said)


@lru_cache(maxsize=1)
def _cv_bridge() -> Any:
    """Return a CvBridge, or None: it is not on PyPI, and apt's does not load with numpy 2."""
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    return CvBridge()


def _by_cv_bridge(bridge: Any, message: Image) -> NDArray[np.uint8]:
    try:
        return np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except Exception as error:  # its errors and OpenCV's share no other base class
        cause = f"cv_bridge refuses the encoding {message.encoding!r}: {error}"
        raise ImageError("encoding", cause) from error
