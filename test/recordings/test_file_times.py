# SPDX-License-Identifier: Apache-2.0
"""File names tell times in the unit by which all of them make sense."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vljepa_ros.recordings.file_times import times_of_names

START_NS = 1_418_381_798_113_072_000
STEPS_NS = [0, 62_500_000, 125_000_000, 250_000_000]
STAMPS_NS = [START_NS + step for step in STEPS_NS]
SECOND = 10**9


def seconds_of(stamp_ns: int) -> tuple[int, int]:
    return divmod(stamp_ns, SECOND)


WRITERS: dict[str, Callable[[int], str]] = {
    "nanoseconds": lambda ns: f"{ns}",
    "microseconds": lambda ns: f"{ns // 1000}",
    "nanoseconds with a prefix": lambda ns: f"cam0_left-{ns}",
    "microseconds with a suffix": lambda ns: f"{ns // 1000}_left",
    "a fraction": lambda ns: "{}.{:09}".format(*seconds_of(ns)),
    "a fraction of microseconds": lambda ns: f"{ns // SECOND}.{ns % SECOND // 1000:06}",
    "nanoseconds beside": lambda ns: "frame_{}_{:09}".format(*seconds_of(ns)),
    "nanoseconds beside, unpadded": lambda ns: "{}_{}".format(*seconds_of(ns)),
    "microseconds beside": lambda ns: f"img-{ns // SECOND}-{ns % SECOND // 1000:06}",
}


@pytest.mark.parametrize("writer", WRITERS)
def test_times_are_read_in_their_unit(writer: str) -> None:
    found = times_of_names([WRITERS[writer](stamp) for stamp in STAMPS_NS])
    assert found is not None
    note, stamps_ns = found
    assert stamps_ns == STAMPS_NS
    assert "4 images at 16 Hz" in note


def test_milliseconds_and_whole_seconds_are_read() -> None:
    milliseconds = times_of_names([str(stamp // 10**6) for stamp in STAMPS_NS])
    assert milliseconds is not None
    assert milliseconds[1] == [stamp // 10**6 * 10**6 for stamp in STAMPS_NS]
    found = times_of_names(["1418381798", "1418381799", "1418381801"])
    assert found is not None
    assert [stamp // SECOND for stamp in found[1]] == [1418381798, 1418381799, 1418381801]


@pytest.mark.parametrize("step", [33_333_333, 50_000_000, 200_000_000])
def test_a_clock_that_began_at_boot_is_read_by_its_rate(step: int) -> None:
    names = [str(123_456_789_012 + number * step) for number in range(5)]
    found = times_of_names(names)
    assert found is not None
    assert "nanoseconds" in found[0]
    assert found[1][1] - found[1][0] == step


def test_one_time_of_our_days_is_enough() -> None:
    assert times_of_names(["1403636579763555584"]) is not None
    assert times_of_names(["000017"]) is None


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "3"],
        ["frame_000000", "frame_000001"],
        ["0000000010", "0000000020"],
        ["cam_1_000123", "cam_1_000124"],
        ["cam_1_033", "cam_1_066"],
        ["shot1.0001", "shot1.0002"],
        ["20240501123000", "20240501123001"],
        ["1000000000000000001", "1000000000000000002"],  # 1 GHz
        ["1403636579763555584", "1403636579813555584", "map"],
        ["a", "b"],
        ["1403636579763555584", "1403636579.813555"],
    ],
)
def test_names_that_tell_no_times_are_not_read_as_times(names: list[str]) -> None:
    assert times_of_names(names) is None
