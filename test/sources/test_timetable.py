# SPDX-License-Identifier: Apache-2.0
"""Replayed times keep the source's distances and never go back."""

from __future__ import annotations

from vljepa_ros.sources.timetable import Timetable

MS = 1_000_000


def test_uneven_distances_are_kept() -> None:
    table = Timetable()
    stamps = [5000, 5033, 5066, 5500, 5533]
    assert [table.offset_ns(stamp) for stamp in stamps] == [0, 33, 66, 500, 533]


def test_a_step_back_goes_on_after_the_image_before() -> None:
    table = Timetable()
    assert [table.offset_ns(stamp) for stamp in (100, 140, 20, 60)] == [0, 40, 80, 120]
    assert table.steps_back == 1


def test_a_further_round_follows_one_distance_later() -> None:
    table = Timetable()
    for stamp in (0, 100 * MS, 200 * MS):
        table.offset_ns(stamp)
    assert table.begin_again(0) == 300 * MS
    assert table.offset_ns(100 * MS) == 400 * MS
    assert table.steps_back == 0


def test_a_single_image_can_be_looped_too() -> None:
    table = Timetable()
    offsets = [table.offset_ns(7), table.begin_again(7), table.begin_again(7)]
    assert offsets == sorted(set(offsets))


def test_equal_stamps_stay_equal() -> None:
    table = Timetable()
    assert [table.offset_ns(stamp) for stamp in (0, 10, 10, 20)] == [0, 10, 10, 20]
    assert table.steps_back == 0
