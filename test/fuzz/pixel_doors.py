# SPDX-License-Identifier: Apache-2.0
"""Camera messages: raw images whose fields lie, and spoiled JPEG and PNG data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from fuzz.door import Attempt, Door
from fuzz.mutations import early, spoiled, strange_text
from vljepa_ros.stream.compressed import decode_compressed
from vljepa_ros.stream.images import SUPPORTED_ENCODINGS, ImageError, decode_image

_ENCODINGS = sorted(SUPPORTED_ENCODINGS)
_SIZES = (0, 1, 2, 3, 5, 16, 33, 640, 65535, 2**31, 2**32 - 1)


@contextmanager
def _raw() -> Iterator[Attempt]:
    yield _try_raw


def _try_raw(rng: np.random.Generator) -> str:
    named = rng.random() < 0.95
    encoding = _ENCODINGS[int(rng.integers(len(_ENCODINGS)))] if named else strange_text(rng)
    width, height = (int(rng.choice(_SIZES)) for _ in range(2))
    step = int(rng.choice([0, width, 2 * width, 3 * width, 4 * width, 2**32 - 1]))
    plane = step * height
    honest = plane if rng.random() < 0.8 else plane * 3 // 2
    size = honest if 0 < honest < 4_000_000 else int(rng.integers(4096))
    try:
        image = decode_image(
            encoding=encoding,
            width=width,
            height=height,
            step=step,
            is_bigendian=bool(rng.integers(2)),
            data=bytes(size),
        )
    except ImageError as error:
        return f"refused: {error.cause}"
    assert image.shape == (height, width, 3), image.shape
    return "decoded"


@contextmanager
def _compressed() -> Iterator[Attempt]:
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (48, 64, 3), dtype=np.uint8),
        np.zeros((200, 300, 3), np.uint8),
        rng.integers(0, 255, (20, 30), dtype=np.uint8),
    ]
    honest = [
        np.asarray(cv2.imencode(ending, image, options)[1]).tobytes()
        for image in images
        for ending, options in (
            (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]),
            (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
            (".png", []),
        )
    ]

    def attempt(rng: np.random.Generator) -> str:
        content = honest[int(rng.integers(len(honest)))]
        data = early(rng, content) if rng.random() < 0.6 else spoiled(rng, content)
        if rng.random() < 0.1:
            data += rng.bytes(int(rng.integers(1, 4000)))
        try:
            image = decode_compressed(data)
        except ImageError as error:
            return f"refused: {error.cause}"
        assert image.ndim == 3 and image.shape[2] == 3, image.shape
        return "decoded"

    yield attempt


DOORS = (Door("raw images", 0.41, _raw), Door("compressed images", 0.3, _compressed))
