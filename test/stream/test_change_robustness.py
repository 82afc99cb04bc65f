# SPDX-License-Identifier: Apache-2.0
"""What the detector makes of streams that robots have, at its defaults and several noise levels.

The streams are unit vectors. Two samples of one state have the cosine ``same``, two states one of
about 0.6: as far apart as those of video embeddings, in the units of a common temperature.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vljepa_ros.runtime.signals import embedding_signal
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason

S = 1_000_000_000
START = 1_700_000_000 * S
DIMENSION = 64
LOGIT_SCALE = 25.0
DEFAULT = ChangeConfig()

Array = NDArray[np.float64]
pytestmark = [
    pytest.mark.parametrize(
        ("rate_hz", "same"), [(2, 0.94), (5, 0.995), (5, 0.97), (5, 0.9), (15, 0.94)]
    ),
    pytest.mark.parametrize("seed", range(2)),
]


def states(count: int, seed: int) -> Array:
    """Return unit vectors (count, DIMENSION) with a cosine of about 0.6 between any two."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=DIMENSION)
    own = random.normal(size=(count, DIMENSION))
    vectors = math.sqrt(0.6) * shared + math.sqrt(0.4) * own
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def noisy(vectors: Array, same: float, seed: int) -> Array:
    random = np.random.default_rng(seed + 100)
    sigma = math.sqrt((1 / same - 1) / DIMENSION)
    return vectors + random.normal(size=vectors.shape) * sigma


def decodes(samples: Array, rate_hz: int, config: ChangeConfig = DEFAULT) -> list[Decode]:
    detector = ChangeDetector(config)
    results = [
        detector.update(
            START + index * S // rate_hz, sample, embedding_signal(sample, LOGIT_SCALE)
        )
        for index, sample in enumerate(samples)
    ]
    return [result for result in results if result is not None]


def reasons(results: list[Decode]) -> list[Reason]:
    return [result.reason for result in results]


def test_ten_static_minutes_are_decoded_once_and_then_only_refreshed(
    rate_hz: int, same: float, seed: int
) -> None:
    samples = noisy(np.repeat(states(1, seed), 600 * rate_hz, axis=0), same, seed)
    refreshed = decodes(samples, rate_hz, replace(DEFAULT, refresh_s=60.0))
    assert reasons(refreshed) == [Reason.FIRST] + [Reason.REFRESH] * 9


def test_nineteen_steps_in_five_minutes_are_all_caught_with_one_decode_each(
    rate_hz: int, same: float, seed: int
) -> None:
    truth, length = states(20, seed), 15 * rate_hz
    results = decodes(noisy(np.repeat(truth, length, axis=0), same, seed), rate_hz)
    assert reasons(results) == [Reason.FIRST] + [Reason.CHANGE] * 19
    for number, result in enumerate(results[1:], start=1):
        began_ns = START + number * 15 * S
        assert result.since_ns == began_ns
        assert result.stamp_ns - began_ns <= 1.0 * S
        assert int(np.argmax(truth @ result.embedding)) == number


def test_a_drift_over_a_minute_is_caught_though_neighbours_hardly_differ(
    rate_hz: int, same: float, seed: int
) -> None:
    old, new = states(2, seed)
    shares = np.linspace(0, 1, 60 * rate_hz)[:, np.newaxis]
    drift = (1 - shares) * old + shares * new
    samples = np.vstack([drift, np.repeat([new], 10 * rate_hz, axis=0)])
    results = decodes(noisy(samples, same, seed), rate_hz)
    assert 2 <= len(results) <= 20
    assert results[-1].embedding @ new > results[-1].embedding @ old


def test_ten_glitches_of_one_frame_are_ignored(rate_hz: int, same: float, seed: int) -> None:
    usual, glitch = states(2, seed)
    samples = np.repeat([usual], 300, axis=0)
    samples[20::28] = glitch
    assert reasons(decodes(noisy(samples, same, seed), rate_hz)) == [Reason.FIRST]


@pytest.mark.parametrize("samples_each", [1, 3])
def test_flicker_between_two_states_is_limited(
    rate_hz: int, same: float, seed: int, samples_each: int
) -> None:
    pair = states(2, seed)
    samples = np.repeat(pair[np.arange(300) % 2], samples_each, axis=0)
    config = replace(DEFAULT, min_gap_s=10.0)
    results = decodes(noisy(samples, same, seed), rate_hz, config)
    assert len(results) <= 1 + len(samples) / rate_hz / config.min_gap_s
    stamps = [result.stamp_ns for result in results]
    assert all(np.diff(stamps) >= 10 * S)


def test_time_that_runs_back_begins_anew_and_loses_nothing(
    rate_hz: int, same: float, seed: int
) -> None:
    before, after = noisy(states(2, seed), same, seed)
    detector = ChangeDetector(DEFAULT)
    for index in range(20):
        detector.update(START + index * S, before)
    again = detector.update(START - 60 * S, after)
    assert again is not None
    assert (again.reason, again.since_ns, again.distance) == (Reason.FIRST, START - 60 * S, 0.0)
    assert again.ended is not None
    assert (again.ended.samples, again.ended.end_ns) == (20, START + 19 * S)
    assert detector.update(START - 59 * S, after) is None
