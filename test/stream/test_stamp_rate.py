# SPDX-License-Identifier: Apache-2.0
"""The rate of stamps tells a slow camera from one whose images are lost."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.stream.stamp_rate import StampRate

SECOND = 1_000_000_000


def stamped(*stamps_s: float) -> StampRate:
    it = StampRate()
    for stamp_s in stamps_s:
        it.add(round(stamp_s * SECOND))
    return it


def test_a_camera_without_losses_sends_what_arrives() -> None:
    it = stamped(*np.arange(0, 20, 1 / 30))
    assert it.arrived_hz == pytest.approx(30)
    assert it.sent_hz == pytest.approx(30)
    assert it.span_s == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("kept", [0.07, 0.3, 0.7])
def test_lost_images_are_fewer_than_the_stamps_say(kept: float) -> None:
    random = np.random.default_rng(1)
    it = stamped(*[t for t in np.arange(0, 20, 1 / 30) if random.random() < kept])
    assert it.arrived_hz == pytest.approx(30 * kept, rel=0.25)
    assert it.sent_hz > 1.3 * it.arrived_hz


def test_jitter_is_no_loss() -> None:
    random = np.random.default_rng(1)
    it = stamped(*(np.arange(0, 20, 0.1) + random.uniform(-0.012, 0.012, 200)))
    assert it.sent_hz < 1.2 * it.arrived_hz


def test_a_stream_slower_than_the_window_has_a_rate() -> None:
    assert stamped(0, 20, 40, 60, 80).arrived_hz == pytest.approx(0.05)


def test_a_clock_that_was_set_back_starts_anew_and_a_late_stamp_does_not_count() -> None:
    it = stamped(100, 101, 100.5, 102)
    assert it.arrived_hz == pytest.approx(1)
    it = stamped(100, 101, 102, 5, 6, 7)
    assert it.span_s == 2
    assert it.arrived_hz == pytest.approx(1)


@pytest.mark.parametrize("stamps", [(), (1,)])
def test_one_stamp_has_no_rate(stamps: tuple[float, ...]) -> None:
    it = stamped(*stamps)
    assert (it.arrived_hz, it.sent_hz, it.span_s) == (0, 0, 0)
