# SPDX-License-Identifier: Apache-2.0
"""Variations of a recording are the same each time, hold for all frames, and keep its time."""

from __future__ import annotations

import numpy as np

from vljepa_ros.teaching.augment import Variation

STAMPS = np.arange(40) / 10.0  # 3.9 s at 10 Hz


def test_copy_0_is_the_recording_as_it_is() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), np.uint8)
    plain = Variation.draw("any", 0)
    assert np.array_equal(plain.apply(frames), frames)
    assert plain.choose(STAMPS, 5.0).tolist() == list(range(0, 40, 2))


def test_a_draw_follows_from_name_and_copy() -> None:
    assert Variation.draw("a", 1) == Variation.draw("a", 1)
    assert Variation.draw("a", 1) != Variation.draw("a", 2)
    assert Variation.draw("a", 1) != Variation.draw("b", 1)


def test_what_stands_still_stands_still_in_a_variation() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    seen = Variation.draw("a", 1).apply(np.stack([frame] * 3))
    assert seen.shape == (3, 16, 16, 3) and seen.dtype == np.uint8
    assert (seen == seen[0]).all()
    assert not np.array_equal(seen[0], frame)


def test_a_faster_pace_needs_fewer_frames_and_keeps_their_order() -> None:
    slow, fast = (len(Variation(pace=pace).choose(STAMPS, 5.0)) for pace in (0.8, 1.25))
    assert fast < 20 < slow
    assert (np.diff(Variation(pace=0.8).choose(STAMPS, 5.0)) >= 0).all()


def test_a_slow_recording_gives_frames_again_and_a_short_one_at_least_one() -> None:
    assert Variation().choose(np.array([0.0, 1.0]), 5.0).tolist() == [0, 0, 0, 1, 1, 1]
    assert Variation(phase=0.9).choose(np.array([3.0]), 5.0).tolist() == [0]


def test_light_and_colour_change_as_drawn() -> None:
    grey = np.full((1, 4, 4, 3), 100, np.uint8)
    assert Variation(gains=(1.5, 1.0, 0.5)).apply(grey)[0, 0, 0].tolist() == [150, 100, 50]
    colour = np.array([[[[200, 100, 0]]]], np.uint8)
    assert Variation(saturation=0.0).apply(colour)[0, 0, 0].tolist() == [100, 100, 100]
