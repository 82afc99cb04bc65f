# SPDX-License-Identifier: Apache-2.0
"""An image at the model's size: its centre, or the whole of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.stream.preprocess import FITS, LETTERBOX, STRETCH, fit_frame


def test_a_wide_image_keeps_its_centre() -> None:
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:, 8:56] = (10, 20, 30)
    np.testing.assert_array_equal(
        fit_frame(image, height=16, width=16), np.full((16, 16, 3), (10, 20, 30))
    )


def test_a_tall_image_keeps_its_centre() -> None:
    image = np.zeros((100, 50, 3), dtype=np.uint8)
    image[25:75] = 200
    assert (fit_frame(image, height=10, width=10) == 200).all()


def test_shrinking_averages_every_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)
    fitted = fit_frame(image, height=160, width=160)
    by_hand = image[:, 80:560].reshape(160, 3, 160, 3, 3).mean(axis=(1, 3))
    assert np.abs(fitted - by_hand).max() <= 0.5 + 1e-6


def test_enlarging_interpolates() -> None:
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[:, 1] = 100
    fitted = fit_frame(image, height=8, width=8)
    assert (np.diff(fitted[0, :, 0].astype(int)) >= 0).all()
    assert len(np.unique(fitted)) > 2


def test_an_image_of_the_right_size_is_not_copied() -> None:
    image = np.zeros((16, 16, 3), dtype=np.uint8)
    assert np.shares_memory(fit_frame(image, height=16, width=16), image)


def test_padded_rows_and_read_only_memory_are_fine() -> None:
    rows = np.frombuffer(bytes(range(256)) * 10, dtype=np.uint8)[: 20 * 128].reshape(20, 128)
    image = rows[:, :60].reshape(20, 20, 3)
    for size in (20, 10, 40):
        fitted = fit_frame(image, height=size, width=size)
        assert fitted.flags.c_contiguous
        np.testing.assert_array_equal(
            fitted, fit_frame(np.ascontiguousarray(image), height=size, width=size)
        )


def test_a_letterbox_shows_the_whole_image_between_black_margins() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = 50, 200
    fitted = fit_frame(image, height=16, width=16, fit=LETTERBOX)
    assert (fitted[:4] == 0).all() and (fitted[12:] == 0).all()
    assert (fitted[4:12, :8] == 50).all() and (fitted[4:12, 8:] == 200).all()
    tall = fit_frame(image.transpose(1, 0, 2), height=16, width=16, fit=LETTERBOX)
    np.testing.assert_array_equal(tall, fitted.transpose(1, 0, 2))


def test_stretching_shows_the_whole_image_without_margins() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = 50, 200
    fitted = fit_frame(image, height=16, width=16, fit=STRETCH)
    assert (fitted[:, :8] == 50).all() and (fitted[:, 8:] == 200).all()


@pytest.mark.parametrize("fit", FITS)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 64), st.integers(1, 64))
def test_any_size_fits(fit: str, rows: int, columns: int, height: int, width: int) -> None:
    image = np.full((rows, columns, 3), 77, np.uint8)
    fitted = fit_frame(image, height=height, width=width, fit=fit)
    assert fitted.shape == (height, width, 3)
    assert fitted.flags.c_contiguous
    assert set(np.unique(fitted)) <= ({0, 77} if fit == LETTERBOX else {77})


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (4, 4), (4, 4, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a uint8 image"):
        fit_frame(np.zeros(shape, dtype=np.uint8), height=8, width=8)
