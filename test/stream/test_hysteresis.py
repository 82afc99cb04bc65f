# SPDX-License-Identifier: Apache-2.0
"""A state follows the flags of its samples only if they agree for some time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from vljepa_ros.stream.hysteresis import Hysteresis

TENTH = 100_000_000  # nanoseconds


def states(it: Hysteresis, flags: Iterable[bool], first: int = 0) -> list[bool]:
    return [it.add((first + i) * TENTH, flag) for i, flag in enumerate(flags)]


def test_a_flag_that_stays_becomes_the_state_after_its_time() -> None:
    it = Hysteresis(after_s=1.0, back_after_s=1.0)
    assert states(it, [True] * 12) == [False] * 10 + [True] * 2


def test_the_way_back_has_a_time_of_its_own() -> None:
    it = Hysteresis(after_s=1.0, back_after_s=0.3)
    states(it, [True] * 20)
    assert states(it, [False] * 5, first=20) == [True] * 3 + [False] * 2


def test_a_state_began_with_the_first_sample_that_showed_it() -> None:
    it = Hysteresis(after_s=1.0, back_after_s=1.0)
    assert it.since_ns is None
    states(it, [False] * 5 + [True] * 20)
    assert it.since_ns == 5 * TENTH
    states(it, [False] * 20, first=25)
    assert it.since_ns == 25 * TENTH


def test_a_contrary_sample_delays_and_does_not_begin_anew() -> None:
    it = Hysteresis(after_s=1.0, back_after_s=1.0)
    assert any(states(it, ([True] * 9 + [False]) * 3))
    assert it.since_ns == 0


@pytest.mark.parametrize(("share", "on"), [(0.01, False), (0.1, False), (0.9, True)])
def test_most_samples_decide(share: float, on: bool) -> None:
    flags = np.random.default_rng(0).random(600) < share
    seen = states(Hysteresis(1.0, 1.0), flags.tolist())
    assert np.mean(seen) > 0.95 if on else not any(seen)


def test_without_a_time_every_sample_is_the_state() -> None:
    assert states(Hysteresis(0.0, 0.0), [True, False, True]) == [True, False, True]


def test_times_may_be_set_while_it_runs() -> None:
    it = Hysteresis(after_s=10.0, back_after_s=1.0)
    assert not any(states(it, [True] * 10))
    it.after_s = 0.5
    assert it.add(10 * TENTH, True)


def test_stamps_that_jump_back_begin_a_new_stream() -> None:
    it = Hysteresis(after_s=1.0, back_after_s=1.0)
    states(it, [True] * 20, first=100)
    assert it.is_on
    assert it.add(0, True) is False
    assert it.since_ns is None
