# SPDX-License-Identifier: Apache-2.0
"""The change detector on streams whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode, Reason
from vljepa_ros.stream.vectors import EmbeddingError

S = 1_000_000_000
START = 1_700_000_000 * S
RATE_HZ = 5.0
DIMENSION = 256
CONFIG = ChangeConfig(
    threshold=0.15, smoothing_s=0.5, confirmations=2, min_gap_s=1.0, refresh_s=0.0
)
SHARP = ChangeConfig(
    threshold=0.15, smoothing_s=0.0, confirmations=2, min_gap_s=0.0, refresh_s=0.0
)


def stamp(index: int) -> int:
    return START + round(index / RATE_HZ * S)


def states(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Return unit vectors (count, DIMENSION) with a cosine of about 0.6 between any two."""
    random = np.random.default_rng(seed)
    shared = random.normal(size=DIMENSION)
    own = random.normal(size=(count, DIMENSION))
    vectors = math.sqrt(0.6) * shared + math.sqrt(0.4) * own
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def noisy(vectors: NDArray[np.float64], seed: int = 1) -> NDArray[np.float64]:
    """Add noise so that two samples of one state have a cosine of about 0.94."""
    random = np.random.default_rng(seed)
    return vectors + random.normal(size=vectors.shape) * math.sqrt(0.06 / DIMENSION)


def decodes(config: ChangeConfig, samples: NDArray[np.float64]) -> list[Decode]:
    detector = ChangeDetector(config)
    results = [detector.update(stamp(index), sample) for index, sample in enumerate(samples)]
    return [result for result in results if result is not None]


def reasons(results: list[Decode]) -> list[Reason]:
    return [result.reason for result in results]


def axis(index: int, dimension: int = 4) -> NDArray[np.float64]:
    return np.asarray(np.eye(dimension)[index])


@pytest.mark.parametrize("seed", range(3))
def test_a_static_scene_of_ten_minutes_is_decoded_once(seed: int) -> None:
    samples = noisy(np.repeat(states(1), 10 * 60 * 5, axis=0), seed)
    assert reasons(decodes(CONFIG, samples)) == [Reason.FIRST]


@pytest.mark.parametrize("seed", range(3))
def test_each_of_nineteen_steps_is_decoded_once_and_soon(seed: int) -> None:
    length = 75
    truth = states(20, seed)
    results = decodes(CONFIG, noisy(np.repeat(truth, length, axis=0), seed))
    assert reasons(results) == [Reason.FIRST] + [Reason.CHANGE] * 19
    for index, result in enumerate(results[1:], start=1):
        began = stamp(index * length)
        assert 0 <= result.stamp_ns - began <= 1.5 * S
        assert began <= result.since_ns <= result.stamp_ns
        assert result.distance > CONFIG.threshold
        assert int(np.argmax(truth @ result.embedding)) == index


def test_the_embedding_of_a_change_holds_nothing_of_the_old_state() -> None:
    samples = np.array([axis(0)] * 20 + [axis(1)] * 20)
    change = decodes(CONFIG, samples)[1]
    np.testing.assert_allclose(change.embedding, axis(1), atol=1e-6)


def test_a_step_is_one_change_and_not_a_row_of_them_while_the_average_settles() -> None:
    config = ChangeConfig(threshold=0.05, smoothing_s=2.0, confirmations=1, min_gap_s=0.0)
    samples = np.array([axis(0)] * 20 + [axis(1)] * 100)
    assert reasons(decodes(config, samples)) == [Reason.FIRST, Reason.CHANGE]


def test_a_drift_over_a_minute_is_caught_though_neighbours_hardly_differ() -> None:
    old, new = states(2)
    shares = np.linspace(0, 1, 60 * 5)[:, np.newaxis]
    samples = noisy(np.vstack([(1 - shares) * old + shares * new, np.repeat([new], 50, axis=0)]))
    results = decodes(CONFIG, samples)
    assert 2 <= len(results) <= 5
    assert results[-1].embedding @ new > results[-1].embedding @ old


def test_glitches_of_one_frame_are_ignored() -> None:
    usual, glitch = states(2)
    samples = np.repeat([usual], 300, axis=0)
    samples[20::28] = glitch
    assert reasons(decodes(CONFIG, noisy(samples))) == [Reason.FIRST]
    assert reasons(decodes(SHARP, samples)) == [Reason.FIRST]


def test_flicker_is_limited_by_the_shortest_gap() -> None:
    pair = states(2)
    samples = np.repeat(pair[np.arange(120) % 2], 3, axis=0)
    config = ChangeConfig(smoothing_s=0.0, confirmations=2, min_gap_s=10.0)
    stamps = [result.stamp_ns for result in decodes(config, samples)]
    assert len(stamps) > 2
    assert min(np.diff(stamps)) >= 10 * S


@pytest.mark.parametrize("confirmations", [1, 2, 5])
def test_a_change_needs_its_confirmations(confirmations: int) -> None:
    config = ChangeConfig(smoothing_s=0.0, confirmations=confirmations, min_gap_s=0.0)
    results = decodes(config, np.array([axis(0)] * 10 + [axis(1)] * 10))
    assert reasons(results) == [Reason.FIRST, Reason.CHANGE]
    assert results[1].stamp_ns == stamp(10 + confirmations - 1)
    assert results[1].since_ns == stamp(10)
    assert results[1].distance == pytest.approx(1.0)


def test_the_distance_is_the_cosine_distance_to_the_last_decode() -> None:
    config = ChangeConfig(threshold=0.15, smoothing_s=0.0, confirmations=1, min_gap_s=0.0)
    turned = np.array([math.cos(0.6), math.sin(0.6), 0.0, 0.0])
    results = decodes(config, np.array([5.0 * axis(0), 0.1 * turned]))
    assert results[1].distance == pytest.approx(1 - math.cos(0.6), abs=1e-6)
    assert np.linalg.norm(results[1].embedding) == pytest.approx(1.0, abs=1e-6)
    assert results[1].embedding.dtype == np.float32


def test_smoothing_goes_by_time_and_not_by_the_number_of_samples() -> None:
    """One second of the new state has the same weight at 50 Hz as at 5 Hz."""
    config = ChangeConfig(threshold=2.0, smoothing_s=1.0, min_gap_s=0.0)
    directions = []
    for rate in (5, 50):
        detector = ChangeDetector(config)
        detector.update(START, axis(0))
        for index in range(1, rate + 1):
            detector.update(START + round(index / rate * S), axis(1))
        forced = detector.force()
        assert forced is not None
        directions.append(forced.embedding)
    share = 1 - math.exp(-1.0)
    by_hand = np.array([1 - share, share]) / math.hypot(1 - share, share)
    for direction in directions:
        np.testing.assert_allclose(direction[:2], by_hand, atol=1e-5)


def test_a_quiet_scene_is_refreshed_and_keeps_its_beginning() -> None:
    config = replace(CONFIG, refresh_s=30.0)
    results = decodes(config, noisy(np.repeat(states(1), 100 * 5, axis=0)))
    assert reasons(results) == [Reason.FIRST] + [Reason.REFRESH] * 3
    assert [result.stamp_ns for result in results] == [START + s * S for s in (0, 30, 60, 90)]
    assert {result.since_ns for result in results} == {START}


def test_a_change_that_is_about_to_be_confirmed_is_not_refreshed_away() -> None:
    config = ChangeConfig(smoothing_s=0.0, confirmations=3, min_gap_s=0.0, refresh_s=2.2)
    results = decodes(config, np.array([axis(0)] * 10 + [axis(1)] * 10))
    assert reasons(results) == [Reason.FIRST, Reason.CHANGE]
    assert results[1].stamp_ns == stamp(12)


def test_forcing_before_any_sample_gives_nothing() -> None:
    assert ChangeDetector(CONFIG).force() is None


def test_forcing_tells_the_present_state_and_hides_no_change() -> None:
    plain, asked = ChangeDetector(CONFIG), ChangeDetector(CONFIG)
    for index, sample in enumerate(noisy(np.repeat(states(4), 40, axis=0))):
        expected = plain.update(stamp(index), sample)
        got = asked.update(stamp(index), sample)
        forced = asked.force()
        assert forced is not None
        assert (forced.reason, forced.stamp_ns) == (Reason.FORCED, stamp(index))
        assert (expected is None) == (got is None)
        if expected is not None and got is not None:
            assert (got.reason, got.since_ns) == (expected.reason, expected.since_ns)


def test_a_forced_decode_within_a_change_is_about_the_new_state() -> None:
    detector = ChangeDetector(ChangeConfig(smoothing_s=0.2, confirmations=5))
    for index, sample in enumerate([axis(0)] * 10 + [axis(1)] * 3):
        detector.update(stamp(index), sample)
    forced = detector.force()
    assert forced is not None
    assert forced.since_ns == stamp(10)
    assert forced.embedding @ axis(1) > 0.99


def bad_embeddings() -> list[Any]:
    return [
        [math.nan, 0.0, 0.0, 1.0],
        [math.inf, 0.0, 0.0, 1.0],
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0],
        [[1.0, 0.0, 0.0, 0.0]],
        [],
        1.0,
    ]


@pytest.mark.parametrize("bad", bad_embeddings())
def test_a_bad_embedding_is_refused_and_leaves_no_trace(bad: Any) -> None:
    plain, disturbed = ChangeDetector(CONFIG), ChangeDetector(CONFIG)
    for index, sample in enumerate([axis(0)] * 10 + [axis(1)] * 10):
        expected = plain.update(stamp(index), sample)
        got = disturbed.update(stamp(index), sample)
        assert (expected is None) == (got is None)
        if expected is not None and got is not None:
            assert (got.stamp_ns, got.since_ns) == (expected.stamp_ns, expected.since_ns)
            np.testing.assert_array_equal(got.embedding, expected.embedding)
        for when in (stamp(index) + 1, START - 100 * S):
            with pytest.raises(EmbeddingError):
                disturbed.update(when, bad)


@pytest.mark.parametrize("bad", [[math.nan, 1.0], [0.0, 0.0], []])
def test_a_bad_first_embedding_does_not_begin_a_stream(bad: list[float]) -> None:
    detector = ChangeDetector(CONFIG)
    with pytest.raises(EmbeddingError):
        detector.update(START, bad)
    assert detector.force() is None
    first = detector.update(START + S, axis(0))
    assert first is not None
    assert first.reason is Reason.FIRST


def test_time_that_runs_back_begins_anew() -> None:
    detector = ChangeDetector(CONFIG)
    for index in range(20):
        detector.update(stamp(index), axis(0))
    again = detector.update(START - 60 * S, axis(1, dimension=4))
    assert again is not None
    assert (again.reason, again.since_ns, again.distance) == (Reason.FIRST, START - 60 * S, 0.0)
    assert detector.update(START - 59 * S, axis(1)) is None


def test_a_repeated_stamp_changes_nothing() -> None:
    detector = ChangeDetector(SHARP)
    detector.update(START, axis(0))
    assert [detector.update(START, axis(1)) for _ in range(5)] == [None] * 5
    forced = detector.force()
    assert forced is not None
    np.testing.assert_array_equal(forced.embedding, axis(0))


def test_opposite_embeddings_do_not_cancel_out() -> None:
    detector = ChangeDetector(ChangeConfig(smoothing_s=1.0, min_gap_s=0.0))
    detector.update(START, axis(0))
    halfway = START + int(math.log(2) * S)  # The sum is next to nothing, and not of the new side.
    detector.update(halfway, -axis(0))
    forced = detector.force()
    assert forced is not None
    np.testing.assert_allclose(forced.embedding, -axis(0), atol=1e-6)


def test_after_a_reset_another_dimension_is_welcome() -> None:
    detector = ChangeDetector(CONFIG)
    detector.update(START, axis(0, dimension=4))
    detector.reset()
    first = detector.update(START, axis(0, dimension=8))
    assert first is not None
    assert first.reason is Reason.FIRST


def test_a_new_configuration_holds_from_the_next_sample() -> None:
    detector = ChangeDetector(ChangeConfig(threshold=2.0, smoothing_s=0.0, min_gap_s=0.0))
    results = [detector.update(stamp(i), axis(min(i // 10, 1))) for i in range(20)]
    assert [result for result in results if result is not None] == results[:1]
    detector.config = SHARP
    results = [detector.update(stamp(i), axis(1)) for i in range(20, 30)]
    assert [r.reason for r in results if r is not None] == [Reason.CHANGE]


@given(
    st.lists(
        st.tuples(
            st.integers(-2 * S, 3 * S),
            st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3),
        ),
        max_size=60,
    )
)
def test_whatever_comes_decodes_are_in_order_and_apart(
    steps: list[tuple[int, list[float]]],
) -> None:
    config = ChangeConfig(confirmations=1, min_gap_s=1.0, refresh_s=2.0)
    detector = ChangeDetector(config)
    now, last = START, None
    for step, sample in steps:
        now += step
        try:
            result = detector.update(now, sample)
        except EmbeddingError:
            continue
        if result is None:
            continue
        assert result.since_ns <= result.stamp_ns == now
        assert 0.0 <= result.distance <= 2.0
        assert np.linalg.norm(result.embedding) == pytest.approx(1.0, abs=1e-5)
        if last is not None and result.reason is not Reason.FIRST:
            assert now - last >= 1.0 * S
        last = now


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("threshold", 0.0),
        ("threshold", 2.1),
        ("threshold", math.nan),
        ("smoothing_s", -0.1),
        ("smoothing_s", math.inf),
        ("confirmations", 0),
        ("min_gap_s", -1.0),
        ("min_gap_s", math.nan),
        ("refresh_s", -1.0),
    ],
)
def test_impossible_settings_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        ChangeConfig(**{field: value})  # type: ignore[arg-type]
