# SPDX-License-Identifier: Apache-2.0
"""Each fault of images by its own name, and none for images that only look strange."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.stream.image_faults import ImageFault, ImageFaults

S = 1_000_000_000
SIZE = 160
_RANDOM = np.random.default_rng(0)


def scene(low: float = 30.0, high: float = 220.0) -> NDArray[np.uint8]:
    """A room: boxes of many shades between two levels."""
    boxes = np.random.default_rng(1).uniform(low, high, (8, 8, 3))
    return np.kron(boxes, np.ones((SIZE // 8, SIZE // 8, 1))).astype(np.uint8)


def noisy(image: NDArray[np.uint8], level: float = 2.0) -> NDArray[np.uint8]:
    noise = _RANDOM.normal(0.0, level, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


def plain(level: int) -> NDArray[np.uint8]:
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def wall() -> NDArray[np.uint8]:
    """A bright wall with a small thing on it."""
    image = plain(180)
    image[50:70, 75:95] = 60
    return image


SKIN = np.broadcast_to(np.linspace(60, 110, SIZE)[:, None, None], (SIZE, SIZE, 3))


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (scene(), ImageFault.NO_FAULT),
        (noisy(scene(), 20.0), ImageFault.NO_FAULT),
        (scene(10.0, 60.0), ImageFault.NO_FAULT),  # dusk
        (wall(), ImageFault.NO_FAULT),
        (plain(0), ImageFault.COVERED),
        (plain(128), ImageFault.COVERED),
        (noisy(plain(5), 5.0), ImageFault.COVERED),
        (SKIN.astype(np.uint8), ImageFault.COVERED),  # a hand, through which light falls
        (noisy(SKIN.astype(np.uint8), 5.0), ImageFault.COVERED),
        (scene(2.0, 16.0), ImageFault.UNDEREXPOSED),
        (plain(255), ImageFault.OVEREXPOSED),
        (scene(246.0, 255.0), ImageFault.OVEREXPOSED),
    ],
)
def test_a_single_image_is_judged(image: NDArray[np.uint8], fault: ImageFault) -> None:
    assert ImageFaults().add(0, image) is fault


def run(
    faults: ImageFaults, images: list[NDArray[np.uint8]], start_s: float = 0.0
) -> list[ImageFault]:
    """The faults of images, ten in a second."""
    return [faults.add(round((start_s + i / 10) * S), image) for i, image in enumerate(images)]


def frozen_from(faults: list[ImageFault]) -> int | None:
    """The first frozen image, from which on all must be frozen."""
    if ImageFault.FROZEN not in faults:
        return None
    first = faults.index(ImageFault.FROZEN)
    assert set(faults[first:]) == {ImageFault.FROZEN}
    return first


def test_a_camera_with_noise_that_repeats_its_last_image_is_frozen_soon() -> None:
    it = ImageFaults(frozen_after_s=3.0)
    assert set(run(it, [noisy(scene()) for _ in range(30)])) == {ImageFault.NO_FAULT}
    assert frozen_from(run(it, [noisy(scene())] * 60, start_s=3.0)) == 30
    assert it.add(10 * S, noisy(scene())) is ImageFault.NO_FAULT


def test_equal_images_of_a_camera_that_showed_no_noise_are_frozen_late() -> None:
    assert frozen_from(run(ImageFaults(frozen_after_s=1.0), [scene()] * 120)) == 100


def test_a_simulation_may_stand_still_after_it_moved() -> None:
    it = ImageFaults(frozen_after_s=1.0, is_simulated=True)
    run(it, [np.roll(scene(), i, axis=1) for i in range(50)])
    assert ImageFault.FROZEN not in run(it, [scene()] * 600, start_s=5.0)


def test_frozen_can_be_switched_off() -> None:
    it = ImageFaults(frozen_after_s=0.0)
    run(it, [noisy(scene()) for _ in range(30)])
    assert ImageFault.FROZEN not in run(it, [scene()] * 600, start_s=3.0)


def test_one_small_difference_is_life() -> None:
    it = ImageFaults(frozen_after_s=1.0)
    run(it, [noisy(scene()) for _ in range(30)])
    changed = scene()
    changed[0, 0, 0] += 1
    images = [scene() if i % 9 else changed for i in range(100)]
    assert ImageFault.FROZEN not in run(it, images, start_s=3.0)


def test_stamps_that_jump_back_begin_a_new_stream() -> None:
    it = ImageFaults(frozen_after_s=1.0)
    run(it, [noisy(scene()) for _ in range(30)])
    assert frozen_from(run(it, [scene()] * 20, start_s=3.0)) == 10
    assert it.add(0, scene()) is ImageFault.NO_FAULT


def test_a_number_that_nobody_knows_is_no_fault() -> None:
    assert ImageFault.of(2) is ImageFault.FROZEN
    assert ImageFault.of(200) is ImageFault.NO_FAULT
