# SPDX-License-Identifier: Apache-2.0
"""What is wrong with images whatever they show: lens covered, images frozen, too dark, too bright.

All but frozen are judged on a grid of 16 x 16 cells. A cell averages many pixels, so the noise of
a sensor is gone and what differs between neighbours is structure.

Images are frozen if they are equal to the last bit although their stamps go on. A sensor has
noise, so two of its images are never equal, and a driver or a link that repeats its last image
shows itself at once. A simulation renders a scene in which nothing moves without noise, and equal
images are no fault there. So the noise is looked for: if a scene once stood still and its images
differed all over, but only a little, the camera has a sensor, and equal images count after
``frozen_after_s``. Until then they count after ten times as long, and never if the caller knows
that it is a simulation.
"""

from __future__ import annotations

from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

_GRID = 16  # cells in a row and in a column
_STRUCTURE = 6.0  # levels by which cells of an image with some structure differ
_DARK, _BRIGHT = 24.0, 245.0  # levels of a cell
_NEARLY_ALL, _HARDLY_ANY = 0.95, 0.01  # of the cells
_DARK_STRUCTURE = 3.0  # levels between the cells of a scene in which hardly any light is left
_NOISE_S = 1.0  # between two images that are compared to find noise: what moves has moved on
_NOISE_LEVELS = 8  # by which the noise of a sensor changes a pixel at most
_NOISY = 0.1  # share of values that noise changes at least; averaging has hidden some of it
_PATIENCE = 10.0  # how much longer images without noise may be equal
_NS = 1_000_000_000


class ImageFault(IntEnum):
    """What is wrong with an image. The values are those of Embedding.image_fault."""

    NO_FAULT = 0
    COVERED = 1
    FROZEN = 2
    UNDEREXPOSED = 3
    OVEREXPOSED = 4

    @classmethod
    def of(cls, number: int) -> ImageFault:
        """Return the fault of a number; one that is not known here is none."""
        return cls(number) if number in cls._value2member_map_ else cls.NO_FAULT


class ImageFaults:
    """Finds the fault of each image of one camera. For one thread.

    Attributes:
        frozen_after_s: how long in seconds images are equal before they are frozen; 0 is never.
        is_simulated: whether a scene that stands still may have equal images for ever.
    """

    def __init__(self, frozen_after_s: float = 3.0, *, is_simulated: bool = False) -> None:
        """Start without an image."""
        self.frozen_after_s = frozen_after_s
        self.is_simulated = is_simulated
        self._has_noise = False
        self.clear()

    def clear(self) -> None:
        """Forget the images; what is known of the camera's noise stays."""
        self._last: NDArray[np.uint8] | None = None
        self._equal_since_ns = self._stamp_ns = 0
        self._kept: tuple[int, NDArray[np.uint8]] | None = None  # to find noise

    def add(self, stamp_ns: int, frame: NDArray[np.uint8]) -> ImageFault:
        """Return the fault of the next image.

        Args:
            stamp_ns: its stamp. One that is older than the last one begins a new stream.
            frame: RGB (H, W, 3), of the model's size or any other. It is kept, so it must not
                change any more.
        """
        if self._last is None or stamp_ns < self._stamp_ns or frame.shape != self._last.shape:
            self.clear()
            self._equal_since_ns = stamp_ns
        elif not np.array_equal(frame, self._last):
            self._equal_since_ns = stamp_ns
            self._look_for_noise(stamp_ns, frame)
        self._last, self._stamp_ns = frame, stamp_ns
        return ImageFault.FROZEN if self._is_frozen else _fault_of(frame)

    @property
    def _is_frozen(self) -> bool:
        equal_s = (self._stamp_ns - self._equal_since_ns) / _NS
        if self.frozen_after_s <= 0.0 or (self.is_simulated and not self._has_noise):
            return False
        return equal_s >= self.frozen_after_s * (1.0 if self._has_noise else _PATIENCE)

    def _look_for_noise(self, stamp_ns: int, frame: NDArray[np.uint8]) -> None:
        if self._has_noise:
            return
        if self._kept is None:
            self._kept = stamp_ns, frame
        elif stamp_ns - self._kept[0] >= _NOISE_S * _NS:
            self._has_noise = _differ_by_noise(frame, self._kept[1])
            self._kept = stamp_ns, frame


def _differ_by_noise(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Tell whether many values differ, and hardly any by more than noise."""
    difference = cv2.absdiff(one, other)
    moved = np.count_nonzero(difference > _NOISE_LEVELS) / difference.size
    changed = np.count_nonzero(difference) / difference.size
    return bool(moved < 1.0 - _NEARLY_ALL and changed > _NOISY)


def _fault_of(frame: NDArray[np.uint8]) -> ImageFault:
    """Return the fault of a single image."""
    cells = cv2.resize(frame, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float32)
    if np.mean(cells.min(axis=2) >= _BRIGHT) >= _NEARLY_ALL:
        return ImageFault.OVEREXPOSED
    brightest = cells.max(axis=2)
    if np.mean(brightest <= _DARK) >= _NEARLY_ALL:
        has_structure = float(np.ptp(brightest)) >= _DARK_STRUCTURE
        return ImageFault.UNDEREXPOSED if has_structure else ImageFault.COVERED
    steps = (np.abs(np.diff(cells, axis=axis)).max(axis=2).ravel() for axis in (0, 1))
    edges = np.mean(np.concatenate(list(steps)) >= _STRUCTURE)
    return ImageFault.COVERED if edges < _HARDLY_ANY else ImageFault.NO_FAULT
