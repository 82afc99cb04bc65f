# SPDX-License-Identifier: Apache-2.0
"""How else a recording might have looked and gone: another view, light, lens and pace.

One draw holds for a whole recording, as a camera stands and the light stays. What changes from
frame to frame would be seen as motion.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_LEAST_SIDE = 0.7  # of the image's side that a crop keeps
_COLOUR = 0.1  # standard deviation of the gain of each channel, logarithmic
_BRIGHTNESS = 0.25  # of all channels together
_GAMMA = 0.2
_SATURATION = (0.6, 1.4)
_BLUR_SHARE, _BLUR_PIXELS = 0.5, 1.2
_PACE = 0.2  # largest change of the pace, logarithmic


@dataclass(frozen=True)
class Variation:
    """One way in which a recording may be changed without changing what is true in it.

    Attributes:
        side: share of the image's side that is seen.
        corner: where that part begins, as shares (x, y) of what is left over.
        gains: of red, green and blue.
        gamma: exponent of the brightness.
        saturation: 0 is grey, 1 leaves colours as they are.
        blur: standard deviation in pixels, or 0.
        pace: above 1 is faster.
        phase: where the first frame lies, as a share of the period.
    """

    side: float = 1.0
    corner: tuple[float, float] = (0.0, 0.0)
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0
    pace: float = 1.0
    phase: float = 0.0

    @classmethod
    def draw(cls, name: str, copy: int) -> Variation:
        """Draw a recording's variation; the same name and copy give the same.

        Args:
            name: of the recording.
            copy: its number. 0 is the recording as it is.
        """
        if copy == 0:
            return cls()
        rng = np.random.default_rng([zlib.crc32(name.encode()), copy])
        gains = np.exp(rng.normal(0, _COLOUR, 3) + rng.normal(0, _BRIGHTNESS))
        return cls(
            side=rng.uniform(_LEAST_SIDE, 1.0),
            corner=(rng.random(), rng.random()),
            gains=(gains[0], gains[1], gains[2]),
            gamma=float(np.exp(rng.normal(0, _GAMMA))),
            saturation=rng.uniform(*_SATURATION),
            blur=rng.uniform(0.3, _BLUR_PIXELS) if rng.random() < _BLUR_SHARE else 0.0,
            pace=float(np.exp(rng.uniform(-_PACE, _PACE))),
            phase=rng.random(),
        )

    def choose(self, stamps_s: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
        """Return the frames (m) that stand for a recording at ``rate_hz`` and this pace.

        Args:
            stamps_s: seconds of the recording's frames (n), ascending.
            rate_hz: of the clips that are cut from the result.
        """
        period = self.pace / rate_hz
        first = stamps_s[0] + self.phase * period * (stamps_s[-1] > stamps_s[0])
        # a period beyond the end is no frame; rounding must not lose the last one
        wanted = np.arange(first, stamps_s[-1] + 1e-6, period)
        after = np.clip(np.searchsorted(stamps_s, wanted), 1, max(1, len(stamps_s) - 1))
        before = after - 1
        after = np.minimum(after, len(stamps_s) - 1)
        nearer = wanted - stamps_s[before] <= stamps_s[after] - wanted
        return np.where(nearer, before, after)

    def apply(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return frames (n, h, w, 3), RGB, as they look in this variation."""
        if self == Variation(pace=self.pace, phase=self.phase):
            return frames
        return np.stack([self._seen(frame) for frame in frames])

    def _seen(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = frame.shape[:2]
        left, top = ((1 - self.side) * share for share in self.corner)
        matrix = np.array([[self.side, 0, left * width], [0, self.side, top * height]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpAffine(
            frame, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        if self.blur:
            image = cv2.GaussianBlur(image, (0, 0), self.blur)
        return self._toned(np.asarray(image, np.uint8))

    def _toned(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        light = (image / np.float32(255)) ** np.float32(self.gamma) * np.array(
            self.gains, np.float32
        )
        grey = light.mean(-1, keepdims=True, dtype=np.float32)
        toned = grey + np.float32(self.saturation) * (light - grey)
        return np.asarray(np.clip(toned * 255, 0, 255) + 0.5, np.float32).astype(np.uint8)
