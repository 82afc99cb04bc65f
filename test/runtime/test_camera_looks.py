# SPDX-License-Identifier: Apache-2.0
"""Other cameras show the same scene in another way, each always in its own."""

from __future__ import annotations

import numpy as np

from support.recordings import numbered_pictures
from vljepa_ros.runtime.camera_looks import CameraLook


def test_the_same_camera_shows_the_same() -> None:
    (image,) = numbered_pictures(1)
    shown = CameraLook.drawn("a 0").of(image)
    assert shown.shape == image.shape and shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, CameraLook.drawn("a 0").of(image))
    assert CameraLook.drawn("a 0") != CameraLook.drawn("a 1")


def test_each_property_has_its_effect() -> None:
    rows, columns = np.mgrid[:64, :64]
    squares = ((rows // 4 + columns // 4) % 2 * 200 + 20).astype(np.uint8)
    image = np.repeat(squares[..., None], 3, axis=2)
    plain = CameraLook(0.0, (1.0, 1.0, 1.0), 0.0, 100)
    assert np.abs(plain.of(image).astype(int) - image).mean() < 2  # of JPEG alone
    assert CameraLook(1.0, (1.0, 1.0, 1.0), 0.0, 100).of(image).std() < 0.9 * image.std()
    red, green, blue = CameraLook(0.0, (0.5, 1.0, 1.0), 0.0, 100).of(image).mean(axis=(0, 1))
    assert red < 0.7 * green and abs(green - blue) < 8
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert CameraLook(0.0, (1.0, 1.0, 1.0), 5.0, 100).of(grey).std() > 2
