# SPDX-License-Identifier: Apache-2.0
"""Clips are cut by time: compared with a search over all frames that ever came."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vljepa_ros.stream.clip_window import Clip, ClipWindow
from vljepa_ros.stream.stamp_gate import StampGate

S = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * S


def item(value: int) -> NDArray[Any]:
    return np.asarray(value)


def values(clip: Clip | None) -> list[int]:
    assert clip is not None
    return [int(frame) for frame in clip.frames]


def window_of(stamps: list[int], frames: int = 8, rate_hz: float = 5.0) -> ClipWindow:
    """Return a window with these stamps, whose items are the stamps themselves."""
    window = ClipWindow(frames, rate_hz)
    for stamp in stamps:
        window.push(stamp, item(stamp))
    return window


def nearest_of_all(stamps: list[int], frames: int, rate_hz: float) -> list[int]:
    """Search the whole history: nearest in time, the older one of two."""
    targets = [stamps[-1] - round(place * S / rate_hz) for place in reversed(range(frames))]
    return [min(stamps, key=lambda stamp: (abs(stamp - target), stamp)) for target in targets]


@given(
    steps=st.lists(st.integers(10 * MS, 1500 * MS), min_size=1, max_size=80),
    frames=st.integers(1, 16),
    rate_hz=st.sampled_from([2.0, 4.0, 5.0, 10.0, 30.0]),
)
def test_each_place_takes_the_nearest_frame_of_the_whole_history(
    steps: list[int], frames: int, rate_hz: float
) -> None:
    stamps = [START]
    window = window_of(stamps, frames, rate_hz)
    for step in steps:
        stamps.append(stamps[-1] + max(step, math.ceil(S / rate_hz / 60)))
        window.push(stamps[-1], item(stamps[-1]))
        clip = window.clip()
        enough = (frames - 1.5) / rate_hz * S
        assert (clip is not None) == (stamps[-1] - stamps[0] >= enough)
        if clip is not None:
            assert values(clip) == nearest_of_all(stamps, frames, rate_hz)
            assert (clip.start_ns, clip.end_ns) == (values(clip)[0], stamps[-1])


@pytest.mark.parametrize("camera_hz", [120.0, 30.0, 10.0, 7.3, 1.0])
@pytest.mark.parametrize("gate_hz", [5.0, 10.0, 30.0])
def test_behind_a_gate_every_camera_gives_clips_on_time(camera_hz: float, gate_hz: float) -> None:
    random = np.random.default_rng(0)
    gate, window = StampGate(gate_hz, max_gap_s=2.0), ClipWindow(8, 5.0)
    furthest = 0.75 / min(camera_hz, gate_hz)  # half an interval, and its jitter
    clips = 0
    half_a_place = 0.1  # may be missing at the start of the stream
    for index in range(round(8 * camera_hz)):
        stamp = START + round((index + random.uniform(-0.2, 0.2)) / camera_hz * S)
        if not gate.admit(stamp).accepted:
            continue
        window.push(stamp, item(stamp))
        clip = window.clip()
        if clip is not None:
            clips += 1
            wanted = [stamp - round(place * S / 5) for place in reversed(range(8))]
            apart = [abs(got - want) / S for got, want in zip(values(clip), wanted, strict=True)]
            assert max(apart[1:]) <= furthest
            assert apart[0] <= max(furthest, half_a_place)
    assert clips >= (8 - 1.4 - 1 / camera_hz) * min(camera_hz, gate_hz) - 2


def test_what_a_memory_holds_is_as_long_as_the_stream() -> None:
    stamps = [START + number * 200 * MS for number in range(9)]
    for count in range(1, 10):
        clip = window_of(stamps[:count]).so_far()
        assert values(clip) == stamps[max(0, count - 8) : count]
        assert (clip.start_ns, clip.end_ns) == (clip.frames[0], stamps[count - 1])
    late = [START, START + 190 * MS, START + 400 * MS]
    assert values(window_of(late).so_far()) == late, "jitter takes no place away"


def test_before_its_first_frame_a_stream_stands_still() -> None:
    stamps = [START + number * 200 * MS for number in range(9)]
    for count in range(1, 10):
        clip = window_of(stamps[:count]).extended()
        assert values(clip) == [stamps[0]] * (8 - count) + stamps[max(0, count - 8) : count]
    early = [START, START + 90 * MS]
    assert values(window_of(early).extended()) == [START] * 7 + [early[1]]


def test_a_slow_camera_repeats_frames() -> None:
    clip = window_of([START, START + S, START + 2 * S]).clip()
    new, old = START + 2 * S, START + S
    assert values(clip) == [old] * 5 + [new] * 3


def test_a_dropped_frame_is_bridged_by_its_neighbours() -> None:
    stamps = [START + place * 200 * MS for place in range(8)]
    whole = values(window_of(stamps).clip())
    clip = values(window_of(stamps[:4] + stamps[5:]).clip())
    assert whole == stamps
    assert clip == [*stamps[:4], stamps[3], *stamps[5:]]


def test_no_clip_before_the_window_spans_one_but_half_a_period_may_be_missing() -> None:
    enough = 1300 * MS
    assert window_of([START, START + enough - 1]).clip() is None
    assert window_of([START, START + enough]).clip() is not None
    assert ClipWindow(8, 5.0).clip() is None


def test_one_frame_is_a_clip_of_one() -> None:
    clip = window_of([START], frames=1).clip()
    assert values(clip) == [START]


def test_a_stamp_that_is_not_newer_starts_a_new_stream() -> None:
    window = window_of([START + index * 100 * MS for index in range(30)])
    window.push(START, item(1))
    assert len(window) == 1
    assert window.clip() is None
    window.push(START, item(2))
    assert len(window) == 1


def test_nothing_of_the_time_before_a_clear_comes_back() -> None:
    stamps = [START + index * 100 * MS for index in range(30)]
    window = window_of(stamps)
    window.clear()
    assert window.clip() is None
    later = [stamp + 20 * S for stamp in stamps]
    for stamp in later:
        window.push(stamp, item(stamp))
    assert min(values(window.clip())) >= later[0]


@pytest.mark.parametrize("camera_hz", [1.0, 120.0, 10_000.0])
def test_memory_stays_bounded_and_the_newest_frame_is_always_there(camera_hz: float) -> None:
    window = ClipWindow(8, 5.0)
    most = 0
    for index in range(20_000):
        stamp = START + round(index / camera_hz * S)
        window.push(stamp, item(stamp))
        most = max(most, len(window))
        clip = window.clip() if index % 500 == 0 else None
        if clip is not None:
            assert values(clip)[-1] == stamp
    assert most <= 7 * 64 + 4
    clip = window.clip()
    assert clip is not None
    assert abs(clip.start_ns - (clip.end_ns - 1400 * MS)) <= max(200 * MS / 64, S / camera_hz)


@pytest.mark.parametrize(("frames", "rate_hz"), [(0, 5.0), (8, 0.0), (8, math.nan), (8, math.inf)])
def test_impossible_clips_are_refused(frames: int, rate_hz: float) -> None:
    with pytest.raises(ValueError, match="not possible"):
        ClipWindow(frames, rate_hz)
