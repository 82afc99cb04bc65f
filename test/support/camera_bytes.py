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
    rows = _LAYOUTS[encoding](image, is_bigendian)
    rubbish = np.full((len(rows), padding), 0xA5, dtype=np.uint8)
    data = np.hstack([rows, rubbish]).tobytes()
    step = rows.shape[1] + padding
    height, width = image.shape[:2]
    return CameraMessage(encoding, width, height, step, is_bigendian, data)


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


def _mono16(image: Pixels, is_bigendian: bool) -> Pixels:
    values = image[..., 1].astype(np.uint16) * 256 + 17
    return values.astype(">u2" if is_bigendian else "<u2").view(np.uint8)


def _packed_422(order: str) -> Callable[[Pixels, bool], Pixels]:
    def layout(image: Pixels, _: bool) -> Pixels:
        luma, u, v = bt601(image)
        part = {"0": luma[:, 0::2], "1": luma[:, 1::2], "u": u[:, 0::2], "v": v[:, 0::2]}
        return np.stack([part[letter] for letter in order], axis=-1).reshape(len(image), -1)

    return layout


def _nv12(image: Pixels, _: bool) -> Pixels:
    luma, u, v = bt601(image)
    chroma = np.stack([u[0::2, 0::2], v[0::2, 0::2]], axis=-1)
    return np.vstack([luma, chroma.reshape(len(image) // 2, -1)])


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
    "mono16": _mono16,
    "yuv422_yuy2": _packed_422("0u1v"),
    "yuyv": _packed_422("0u1v"),
    "yuv422": _packed_422("u0v1"),
    "uyvy": _packed_422("u0v1"),
    "nv12": _nv12,
    "bayer_rggb8": _bayer("rggb"),
    "bayer_bggr8": _bayer("bggr"),
    "bayer_gbrg8": _bayer("gbrg"),
    "bayer_grbg8": _bayer("grbg"),
}
ENCODINGS = tuple(_LAYOUTS)
