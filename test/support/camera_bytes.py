# SPDX-License-Identifier: Apache-2.0
"""Camera messages made by hand: RGB images laid out in bytes, without OpenCV.

The layouts follow the definitions of the formats (ITU-R BT.601 for YUV), so that a decoder that
swaps channels or planes cannot agree with a reference that swaps them too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_BAYER = {"r": 0, "g": 1, "b": 2}
_PATTERNS = ("rggb", "bggr", "gbrg", "grbg")


@dataclass(frozen=True)
class CameraMessage:
    """The fields of a sensor_msgs/Image."""

    encoding: str
    width: int
    height: int
    step: int
    is_bigendian: bool
    data: Any

    def fields(self) -> dict[str, Any]:
        return dict(vars(self))


def message(
    encoding: str, image: Pixels, *, padding: int = 0, is_bigendian: bool = False
) -> CameraMessage:
    """Lay out an RGB image (H, W, 3); ``padding`` bytes of rubbish end each row."""
    height, width = image.shape[:2]
    if encoding == "nv24":
        data = _nv24(image, padding)
        return CameraMessage(encoding, width, height, width + padding, is_bigendian, data)
    rows = _LAYOUTS[encoding](image, is_bigendian)
    step = rows.shape[1] + padding
    return CameraMessage(encoding, width, height, step, is_bigendian, _padded(rows, padding))


def smooth_image(height: int = 48, width: int = 64) -> Pixels:
    """Return an RGB image in which every channel and every direction differs."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / width, y * 255 / height, 255 - (x + y) * 255 / (width + height)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def bt601(image: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Return Y, U and V (H, W) of limited range for an RGB image."""
    red, green, blue = (image[..., channel].astype(float) / 255 for channel in range(3))
    luma = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
    u = 128 - 37.797 * red - 74.203 * green + 112.0 * blue
    v = 128 + 112.0 * red - 93.786 * green - 18.214 * blue
    planes = [np.rint(plane).astype(np.uint8) for plane in (luma, u, v)]
    return planes[0], planes[1], planes[2]


def _channels(order: str) -> Callable[[Pixels, bool], Pixels]:
    def layout(image: Pixels, _: bool) -> Pixels:
        planes = {"r": image[..., 0], "g": image[..., 1], "b": image[..., 2]}
        planes["a"] = np.full(image.shape[:2], 99, dtype=np.uint8)
        stacked = np.stack([planes[letter] for letter in order], axis=-1)
        return stacked.reshape(len(image), -1)

    return layout


def _mono8(image: Pixels, _: bool) -> Pixels:
    return image[..., 1]


def _packed_422(order: str) -> Callable[[Pixels, bool], Pixels]:
    def layout(image: Pixels, _: bool) -> Pixels:
        luma, u, v = bt601(image)
        part = {"0": luma[:, 0::2], "1": luma[:, 1::2], "u": u[:, 0::2], "v": v[:, 0::2]}
        return np.stack([part[letter] for letter in order], axis=-1).reshape(len(image), -1)

    return layout


def _semiplanar(order: str) -> Callable[[Pixels, bool], Pixels]:
    def layout(image: Pixels, _: bool) -> Pixels:
        luma, u, v = bt601(image)
        part = {"u": u[0::2, 0::2], "v": v[0::2, 0::2]}
        chroma = np.stack([part[letter] for letter in order], axis=-1)
        return np.vstack([luma, chroma.reshape(len(image) // 2, -1)])

    return layout


def _nv24(image: Pixels, padding: int) -> bytes:
    """Chroma rows are twice as long as luma rows, and so is their padding."""
    luma, u, v = bt601(image)
    chroma = np.stack([u, v], axis=-1).reshape(len(image), -1)
    return _padded(luma, padding) + _padded(chroma, 2 * padding)


def _padded(rows: Pixels, padding: int) -> bytes:
    rubbish = np.full((len(rows), padding), 0xA5, dtype=np.uint8)
    return np.hstack([rows, rubbish]).tobytes()


def _wide(layout: Callable[[Pixels, bool], Pixels]) -> Callable[[Pixels, bool], Pixels]:
    """Return the layout with 16 bits for each 8; the low ones hold rubbish."""

    def wide(image: Pixels, is_bigendian: bool) -> Pixels:
        values = layout(image, is_bigendian).astype(np.uint16) * 256 + 17
        return values.astype(">u2" if is_bigendian else "<u2").view(np.uint8)

    return wide


def _bayer(pattern: str) -> Callable[[Pixels, bool], Pixels]:
    def layout(image: Pixels, _: bool) -> Pixels:
        mosaic = np.empty(image.shape[:2], dtype=np.uint8)
        for index, letter in enumerate(pattern):
            place = (slice(index // 2, None, 2), slice(index % 2, None, 2))
            mosaic[place] = image[(*place, _BAYER[letter])]
        return mosaic

    return layout


_LAYOUTS: dict[str, Callable[[Pixels, bool], Pixels]] = {
    "rgb8": _channels("rgb"),
    "bgr8": _channels("bgr"),
    "rgba8": _channels("rgba"),
    "bgra8": _channels("bgra"),
    "mono8": _mono8,
    "8UC1": _mono8,
    "rgb16": _wide(_channels("rgb")),
    "bgr16": _wide(_channels("bgr")),
    "mono16": _wide(_mono8),
    "yuv422_yuy2": _packed_422("0u1v"),
    "yuyv": _packed_422("0u1v"),
    "yuv422": _packed_422("u0v1"),
    "uyvy": _packed_422("u0v1"),
    "nv12": _semiplanar("uv"),
    "nv21": _semiplanar("vu"),
    **{f"bayer_{pattern}8": _bayer(pattern) for pattern in _PATTERNS},
    **{f"bayer_{pattern}16": _wide(_bayer(pattern)) for pattern in _PATTERNS},
}
ENCODINGS = (*_LAYOUTS, "nv24")
