# SPDX-License-Identifier: Apache-2.0
"""How another camera would show the same scene: softer, lighter or darker, compressed, with noise.

The channels of an image trunk tell a blurred or compressed image from a sharp one as well as they
tell scenes apart. Statistics of sharp images alone would call the same robot behind another
lens unfamiliar.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_NO_BLUR = 0.2  # pixels; a narrower kernel changes nothing


@dataclass(frozen=True)
class CameraLook:
    """One way to show a scene.

    Attributes:
        blur: standard deviation in pixels of the model's image.
        gains: factors of red, green and blue.
        noise: standard deviation in steps of 255.
        quality: of JPEG, 0..100.
    """

    blur: float
    gains: tuple[float, float, float]
    noise: float
    quality: int

    @classmethod
    def drawn(cls, name: str) -> CameraLook:
        """Draw a look; the same name gives the same."""
        random = np.random.default_rng(zlib.crc32(name.encode()))
        light = random.uniform(0.75, 1.25)
        red, green, blue = (float(light * gain) for gain in random.uniform(0.93, 1.07, 3))
        return cls(
            blur=random.uniform(0.0, 1.0),
            gains=(red, green, blue),
            noise=random.uniform(0.0, 5.0),
            quality=int(random.integers(30, 96)),
        )

    def of(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an RGB image (H, W, 3) as this camera would show it."""
        soft = cv2.GaussianBlur(image, (0, 0), self.blur) if self.blur > _NO_BLUR else image
        random = np.random.default_rng(0)
        seen = soft * np.array(self.gains) + random.normal(0.0, self.noise, image.shape)
        pixels = np.clip(seen, 0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
