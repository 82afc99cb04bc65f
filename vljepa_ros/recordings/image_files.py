# SPDX-License-Identifier: Apache-2.0
"""Image files as RGB pixels; no file costs more memory than an honest one of MAX_PIXELS."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import MAX_PIXELS, ImageError

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".webp"}
_LARGEST_FILE = 4 * MAX_PIXELS  # bytes: an unpacked image of four channels
_RARE_FORMATS = ("BMP", "TIFF", "PPM", "WEBP")


def is_image_file(path: Path) -> bool:
    """Return whether the name of a file is that of an image."""
    return path.suffix.lower() in ENDINGS


def read_image_file(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an image file, RGB (H, W, 3).

    Raises:
        ImageError: ``encoding``, ``large`` or ``corrupt``.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise ImageError("large", f"{path} has more than {_LARGEST_FILE} bytes")
    return decode_image_file(path.read_bytes())


def decode_image_file(raw: bytes) -> NDArray[np.uint8]:
    """Return the pixels of an image file's content, RGB (H, W, 3).

    Raises:
        ImageError: ``encoding``, ``large`` or ``corrupt``.
    """
    try:
        return decode_compressed(raw)
    except ImageError as error:
        if error.cause != "encoding":
            raise
    return _decode_rare(raw)


def _decode_rare(raw: bytes) -> NDArray[np.uint8]:
    """Decode the formats that are no message's with Pillow, which tells the size beforehand."""
    try:
        with Image.open(io.BytesIO(raw), formats=_RARE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ImageError("large", f"{image.width}x{image.height} pixels")
            if image.mode.startswith("I"):  # 16 bits of grey, of which the 8 high ones count
                grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB"))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError("encoding", "no image format that is known") from error
    except Exception as error:  # Pillow's plugins raise whatever they met
        raise ImageError("corrupt", f"the image cannot be decoded: {error}") from error
