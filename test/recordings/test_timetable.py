# SPDX-License-Identifier: Apache-2.0
"""Replayed times keep the recording's distances, also from round to round."""

from __future__ import annotations

import pytest

from vljepa_ros.recordings.timetable import Pace, Timetable

MS = 1_000_000


def test_uneven_distances_are_kept() -> None:
    table = Timetable()
    stamps = [5000, 5033, 5066, 5500, 5533]
    assert [table.offset_ns(stamp) for stamp in stamps] == [0, 33, 66, 500, 533]


def test_a_further_round_follows_one_distance_later() -> None:
    table = Timetable()
    for stamp in (0, 100 * MS, 200 * MS):
        table.offset_ns(stamp)
    table.begin_again()
    assert [table.offset_ns(stamp) for stamp in (0, 100 * MS)] == [300 * MS, 400 * MS]
    table.begin_again()
    assert table.offset_ns(0) == 500 * MS


def test_a_single_image_can_be_looped_too() -> None:
    table = Timetable()
    offsets = []
    for _ in range(3):
        offsets.append(table.offset_ns(7))
        table.begin_again()
    assert offsets == [0, 100 * MS, 200 * MS]


def test_equal_stamps_stay_equal() -> None:
    table = Timetable()
    assert [table.offset_ns(stamp) for stamp in (0, 10, 10, 20)] == [0, 10, 10, 20]


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


def test_images_are_due_at_their_distances_divided_by_the_rate() -> None:
    clock = Clock()
    pace = Pace(1000, clock)
    assert pace.wait_s(0, 2.0) == 0.0
    assert pace.wait_s(400 * MS, 2.0) == pytest.approx(0.2)
    clock.seconds += 0.05
    assert pace.wait_s(800 * MS, 2.0) == pytest.approx(0.35)


def test_a_late_image_does_not_delay_those_after_it() -> None:
    clock = Clock()
    pace = Pace(0, clock)
    clock.seconds += 0.3
    assert pace.wait_s(200 * MS, 1.0) == pytest.approx(-0.1)
    assert pace.wait_s(400 * MS, 1.0) == pytest.approx(0.1)


def test_the_rate_can_change_on_the_way() -> None:
    clock = Clock()
    pace = Pace(0, clock)
    assert pace.wait_s(1000 * MS, 1.0) == pytest.approx(1.0)
    assert pace.wait_s(2000 * MS, 10.0) == pytest.approx(1.1)


def test_stamps_keep_the_sources_distances_at_every_rate() -> None:
    pace = Pace(7000)
    pace.wait_s(500, 100.0)
    assert pace.stamp_ns(500) == 7500


def test_what_was_forgiven_moves_due_times_and_stamps() -> None:
    clock = Clock()
    pace = Pace(0, clock)
    clock.seconds += 5.0
    late = -pace.wait_s(100 * MS, 1.0)
    pace.forgive(late)
    assert pace.stamp_ns(100 * MS) == pytest.approx(5000 * MS)
    assert pace.wait_s(200 * MS, 1.0) == pytest.approx(0.1)
