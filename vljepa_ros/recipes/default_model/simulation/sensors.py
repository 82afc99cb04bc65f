# SPDX-License-Identifier: Apache-2.0
"""What a camera makes of the light: gain, gamma, noise, blur, compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class Sensor(Protocol):
    """One episode's camera electronics."""

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return how the sensor sees an image (H, W, 3)."""


@dataclass(frozen=True)
class MildSensor:
    """Gain, gamma and grey noise."""

    table: NDArray[np.uint8]
    noise: float

    @staticmethod
    def draw(rng: np.random.Generator) -> MildSensor:
        """Draw one episode's sensor."""
        x = np.linspace(0, 1, 256) ** rng.uniform(0.8, 1.25) * rng.uniform(0.85, 1.1)
        return MildSensor(np.clip(x * 255, 0, 255).astype(np.uint8), float(rng.uniform(0, 5)))

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return how the sensor sees an image (H, W, 3)."""
        grain = rng.normal(0, self.noise, image.shape[:2])[..., None]
        return np.clip(self.table[image] + grain, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class WildSensor:
    """Every fault that cheap cameras, long cables and moving heads have.

    Attributes:
        table: value of each channel for each value of the scene (1, 256, 3): gain, gamma, tint.
        colour: share of the colour that is left; 0 is grey.
        vignette: share of the light that the corners lose.
        sharpness: size at which details are lost, as a share of the image's; 1 loses none.
        kernel: of the blur by shaking, or None.
        noise: standard deviation, in grey levels.
        quality: of the JPEG that the camera sends, or None if it sends none.
        sway: amplitude of a slow drift of the picture, as a share of its size.
    """

    table: NDArray[np.uint8]
    colour: float
    vignette: float
    sharpness: float
    kernel: NDArray[np.float32] | None
    noise: float
    quality: int | None
    sway: _Sway

    @staticmethod
    def draw(rng: np.random.Generator) -> WildSensor:
        """Draw one episode's sensor; half of the faults are missing from each."""
        x = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.65, 1.35)
        x = x * rng.uniform(0.75, 1.2) * rng.uniform(0.88, 1.12, 3)
        return WildSensor(
            table=np.clip(x * 255, 0, 255).astype(np.uint8)[None],
            colour=rng.uniform(0.3, 1.0) if rng.random() < 0.4 else 1.0,
            vignette=rng.uniform(0.1, 0.6) if rng.random() < 0.4 else 0.0,
            sharpness=rng.uniform(0.4, 0.9) if rng.random() < 0.4 else 1.0,
            kernel=_shake(rng) if rng.random() < 0.15 else None,
            noise=rng.uniform(0, 12) if rng.random() < 0.7 else 0.0,
            quality=int(rng.integers(25, 80)) if rng.random() < 0.5 else None,
            sway=_Sway.draw(rng) if rng.random() < 0.3 else _Sway(),
        )

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return how the sensor sees an image (H, W, 3)."""
        light = cv2.LUT(self._blurred(self.sway.next(image)), self.table).astype(np.float32)
        if self.colour < 1:
            grey = light.mean(-1, keepdims=True)
            light = grey + self.colour * (light - grey)
        if self.vignette:
            light *= _vignette(image, self.vignette)
        light += self.noise * rng.standard_normal(image.shape, np.float32)
        return self._sent(np.clip(light, 0, 255).astype(np.uint8))

    def _blurred(self, image: Image) -> NDArray[Any]:
        height, width = image.shape[:2]
        blurred: NDArray[Any] = image
        if self.kernel is not None:
            blurred = cv2.filter2D(image, -1, self.kernel, borderType=cv2.BORDER_REPLICATE)
        if self.sharpness < 1:
            small = (round(width * self.sharpness), round(height * self.sharpness))
            blurred = cv2.resize(blurred, small, interpolation=cv2.INTER_AREA)
            blurred = cv2.resize(blurred, (width, height))
        return blurred

    def _sent(self, image: Image) -> Image:
        if self.quality is None:
            return image
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


class _Sway:
    """A slow, smooth drift of the picture, as on a robot's head or a bending stand."""

    def __init__(self, amplitude: float = 0.0, phases: tuple[float, ...] = (), rate: float = 0.0):
        self._amplitude, self._phases, self._rate = amplitude, phases, rate
        self._frame = 0

    @staticmethod
    def draw(rng: np.random.Generator) -> _Sway:
        phases = tuple(float(phase) for phase in rng.uniform(0, 2 * np.pi, 3))
        return _Sway(rng.uniform(0.005, 0.04), phases, rng.uniform(0.05, 0.4))

    def next(self, image: Image) -> Image:
        if not self._amplitude:
            return image
        height, width = image.shape[:2]
        self._frame += 1
        x, y, turn = (
            self._amplitude * np.sin(phase + speed * self._rate * self._frame)
            for phase, speed in zip(self._phases, (1.0, 1.3, 0.7), strict=True)
        )
        moved = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.degrees(turn)), 1.0)
        moved[:, 2] += x * width, y * height
        return cv2.warpAffine(image, moved, (width, height), borderMode=cv2.BORDER_REFLECT).astype(
            np.uint8, copy=False
        )


def _shake(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the kernel of a straight movement during the exposure."""
    size = int(rng.choice([3, 5, 7]))
    kernel = np.zeros((size, size), np.float32)
    middle, angle = size // 2, rng.uniform(0, np.pi)
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(int(v) for v in np.rint(middle + s * reach)) for s in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return kernel / kernel.sum()


def _vignette(image: Image, strength: float) -> NDArray[np.float32]:
    """Return the share of the light that arrives at each pixel (H, W, 1)."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (1 - strength * (x**2 + y**2) / 2)[..., None].astype(np.float32)
