# SPDX-License-Identifier: Apache-2.0
"""The one rule by which the images of a clip are chosen."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.stream.sampling import (
    LONE_IMAGE_S,
    ROUNDING_S,
    Extent,
    live_times,
    middle_times,
    shown_at,
    spread_evenly,
)


def shown(images: list[float], times: list[float]) -> list[float]:
    return list(shown_at(zip(images, images, strict=True), times))


def test_the_times_are_the_middles_of_equal_parts() -> None:
    assert middle_times(1.0, 3.0, 4).tolist() == [1.25, 1.75, 2.25, 2.75]
    assert middle_times(2.0, 2.0, 2).tolist() == [2.0, 2.0]


def test_live_times_end_with_the_part_and_go_back_at_the_rate() -> None:
    assert live_times(3.0, 3, 2.0).tolist() == [2.0, 2.5, 3.0]
    assert live_times(0.5, 3, 2.0).tolist() == [0.0, 0.0, 0.5]


def test_an_image_is_shown_until_the_next_one() -> None:
    assert shown([0.0, 1.0, 5.0], [0.0, 0.9, 1.0, 4.9, 5.0, 9.0]) == [0, 0, 1, 1, 5, 5]


def test_before_the_first_image_the_first_is_shown() -> None:
    assert shown([2.0, 3.0], [0.0, 1.0, 3.5]) == [2.0, 2.0, 3.0]


def test_a_time_that_a_container_rounded_up_counts_as_reached() -> None:
    assert shown([0.0, 1.0 + ROUNDING_S / 2], [1.0]) == [1.0 + ROUNDING_S / 2]
    assert shown([0.0, 1.0 + ROUNDING_S * 2], [1.0]) == [0.0]


def test_no_image_is_taken_that_nobody_needs() -> None:
    taken = []

    def images() -> Iterator[tuple[float, int]]:
        for number in range(100):
            taken.append(number)
            yield float(number), number

    assert list(shown_at(images(), [3.5, 5.5])) == [3, 5]
    assert taken[-1] == 6


def test_without_images_nothing_is_shown() -> None:
    assert shown([], [1.0]) == []


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True),
    st.lists(st.integers(-100, 1200), max_size=30),
)
def test_it_is_the_newest_image_that_is_not_after_the_time(
    images: list[int], times: list[int]
) -> None:
    images, times = sorted(images), sorted(times)
    expected = [max([one for one in images if one <= time], default=images[0]) for time in times]
    assert shown([float(one) for one in images], [float(time) for time in times]) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [0, 0, 0, 0]),
        (2, [0, 0, 1, 1]),
        (3, [0, 1, 1, 2]),
        (4, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6]),
        (100, [12, 37, 62, 87]),
    ],
)
def test_images_without_times_are_spread_evenly_and_repeated_if_there_are_few(
    count: int, expected: list[int]
) -> None:
    assert spread_evenly(count, 4) == expected


def test_a_clip_without_images_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        spread_evenly(0, 4)


def test_the_last_image_is_shown_for_one_period() -> None:
    assert Extent.of([0.0, 1.0, 2.0, 9.0]) == Extent(10.0, 1.0)
    assert Extent.of([0.0]) == Extent(LONE_IMAGE_S, LONE_IMAGE_S)


def test_an_open_part_ends_with_the_recording() -> None:
    extent = Extent.of([0.0, 1.0, 2.0])
    assert extent.part(0.0, math.inf) == (0.0, 3.0)
    assert extent.part(3.2, math.inf) == (3.2, 3.2)
    assert extent.part(1.0, 4.5) == (1.0, 4.5)


@pytest.mark.parametrize(
    ("start", "end"), [(0.0, 4.6), (4.6, math.inf), (7.0, 8.0)], ids=["end", "open", "both"]
)
def test_a_part_that_ends_too_late_is_an_error_with_the_times(start: float, end: float) -> None:
    wrong = start if math.isinf(end) else end
    with pytest.raises(ValueError, match=rf"ends at 3\.000 s, before {wrong:g} s"):
        Extent.of([0.0, 1.0, 2.0]).part(start, end)


def test_a_still_picture_never_ends() -> None:
    still = Extent(math.inf, LONE_IMAGE_S)
    assert still.part(5.0, 9.0) == (5.0, 9.0)
    assert still.part(5.0, math.inf) == (5.0, 5.0)
