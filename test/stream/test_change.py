# SPDX-License-Identifier: Apache-2.0
"""The change detector on streams whose truth is known."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from vljepa_ros.stream.change import (
    NOISE_S,
    QUIET,
    ChangeConfig,
    ChangeDetector,
    Decode,
    Reason,
)
from vljepa_ros.stream.spread import LOOK_BACK
from vljepa_ros.stream.vectors import EmbeddingError, unit

S = 1_000_000_000
START = 1_700_000_000 * S
RATE_HZ = 5.0
CONFIG = ChangeConfig(evidence_s=0.3, confirmations=2, min_gap_s=0.0)


def stamp(index: int) -> int:
    return START + round(index / RATE_HZ * S)


def decodes(config: ChangeConfig, samples: Iterable[ArrayLike]) -> list[Decode]:
    detector = ChangeDetector(config)
    results = [detector.update(stamp(index), sample) for index, sample in enumerate(samples)]
    return [result for result in results if result is not None]


def reasons(results: list[Decode]) -> list[Reason]:
    return [result.reason for result in results]


def axis(index: int, dimension: int = 4) -> NDArray[np.float64]:
    return np.asarray(np.eye(dimension)[index])


def test_a_step_is_one_change_that_begins_where_the_new_state_does() -> None:
    samples = np.array([axis(0)] * 20 + [axis(1)] * 40)
    first, change = decodes(CONFIG, samples)
    assert (first.reason, first.stamp_ns, first.distance) == (Reason.FIRST, START, 0.0)
    assert (change.reason, change.since_ns) == (Reason.CHANGE, stamp(20))
    assert change.distance == pytest.approx(1.0)
    np.testing.assert_allclose(change.embedding, axis(1), atol=1e-6)


def test_the_evidence_is_the_growth_of_the_spread_that_ward_would_see() -> None:
    """The least evidence_s that still refuses a change is Ward's cost, in seconds."""
    old, new = axis(0), np.array([0.6, 0.8, 0.0, 0.0])
    n_old, n_new, period_s = 5, 4, 1 / RATE_HZ
    samples = np.array([old] * n_old + [new] * n_new)
    labels = np.array([0] * n_old + [1] * n_new)
    spread = sum(
        len(samples[labels == k]) * samples[labels == k].var(axis=0).sum() for k in (0, 1)
    )
    growth = len(samples) * samples.var(axis=0).sum() - spread
    old_s, new_s = n_old * period_s, n_new * period_s
    by_hand = 0.5 * growth / (n_old * n_new / (n_old + n_new)) * old_s * new_s / (old_s + new_s)
    shares = -math.expm1(-period_s / NOISE_S)
    steps = shares * (1 - shares) ** np.arange(len(samples) - 1)  # weights, the newest step first
    noise = 0.25 * float((new - old) @ (new - old)) * steps[n_new - 1] / steps.sum()
    needed = by_hand / (1 + noise / QUIET)  # less than MARGIN samples could not be enough
    just_below = decodes(replace(CONFIG, evidence_s=0.999 * needed), samples)
    assert reasons(just_below) == [Reason.FIRST, Reason.CHANGE]
    assert reasons(decodes(replace(CONFIG, evidence_s=1.001 * needed), samples)) == [Reason.FIRST]


def test_half_a_difference_needs_twice_the_time() -> None:
    halfway = np.array([0.5, math.sqrt(0.75), 0.0, 0.0])  # half the squared distance is 0.5
    delays = []
    for new in (axis(1), halfway):
        detector = ChangeDetector(ChangeConfig(evidence_s=0.2, min_gap_s=0.0))
        for index in range(1000):
            detector.update(START + index * S // 100, axis(0))
        later = (detector.update(START + index * S // 100, new) for index in range(1000, 2000))
        change = next(result for result in later if result is not None)
        delays.append((change.stamp_ns - change.since_ns) / S)
    assert delays[1] == pytest.approx(2 * delays[0], rel=0.25)


@pytest.mark.parametrize("rate_hz", [5, 50])
def test_evidence_goes_by_time_and_not_by_the_number_of_samples(rate_hz: int) -> None:
    detector = ChangeDetector(ChangeConfig(evidence_s=0.45, confirmations=1, min_gap_s=0.0))
    for index in range(4 * rate_hz):
        detector.update(START + index * S // rate_hz, axis(0))
    later = (
        detector.update(START + index * S // rate_hz, axis(1))
        for index in range(4 * rate_hz, 8 * rate_hz)
    )
    change = next(result for result in later if result is not None)
    assert 0.4 < (change.stamp_ns - change.since_ns) / S < 0.8


def test_noise_raises_what_a_change_needs() -> None:
    quiet, noisy = ChangeDetector(CONFIG), ChangeDetector(CONFIG)
    for index in range(100):
        quiet.update(stamp(index), axis(0))
        noisy.update(stamp(index), axis(0) + 0.5 * axis(2 + index % 2))
    assert quiet.required_s == CONFIG.evidence_s
    assert noisy.required_s > 1.5 * CONFIG.evidence_s


def test_a_gap_in_the_stream_is_no_evidence() -> None:
    detector = ChangeDetector(replace(CONFIG, evidence_s=0.2, confirmations=1))
    for index in range(20):
        detector.update(stamp(index), axis(0))
    assert detector.update(stamp(19) + 60 * S, axis(1)) is None
    assert detector.update(stamp(20) + 60 * S, axis(1)) is not None


def test_a_sample_of_a_slow_stream_stands_for_half_a_second_at_most() -> None:
    detector = ChangeDetector(ChangeConfig(evidence_s=0.3, confirmations=1, min_gap_s=0.0))
    for index in range(20):
        detector.update(START + index * 10 * S, axis(0))
    assert detector.update(START + 200 * S, axis(1)) is not None
    assert detector.required_s < 0.5  # a step that weighs 10 s would make the noise the jump


def test_the_shortest_gap_is_kept_to_the_nanosecond() -> None:
    config = ChangeConfig(evidence_s=0.01, confirmations=2, min_gap_s=1.0)
    results = decodes(config, [axis(0)] * 2 + [axis(1)] * 8)
    assert [result.stamp_ns for result in results] == [START, START + S]


@pytest.mark.parametrize("confirmations", [1, 2, 5])
def test_a_change_needs_its_confirmations(confirmations: int) -> None:
    config = ChangeConfig(evidence_s=0.01, confirmations=confirmations, min_gap_s=0.0)
    results = decodes(config, np.array([axis(0)] * 10 + [axis(1)] * 10))
    assert reasons(results) == [Reason.FIRST, Reason.CHANGE]
    assert results[1].stamp_ns == stamp(10 + confirmations - 1)
    assert results[1].since_ns == stamp(10)


def test_a_glitch_is_not_confirmed_by_the_old_state_that_follows_it() -> None:
    config = ChangeConfig(evidence_s=0.001, confirmations=2, min_gap_s=0.0)
    samples = np.array([axis(0)] * 20 + [axis(1)] + [axis(0)] * 20)
    assert reasons(decodes(config, samples)) == [Reason.FIRST]


def test_the_distance_is_the_cosine_distance_to_the_last_decode() -> None:
    turned = np.array([math.cos(0.6), math.sin(0.6), 0.0, 0.0])
    config = ChangeConfig(evidence_s=0.01, confirmations=1, min_gap_s=0.0)
    results = decodes(config, np.array([5.0 * axis(0)] * 20 + [0.1 * turned] * 5))
    assert results[1].distance == pytest.approx(1 - math.cos(0.6), abs=1e-6)
    assert np.linalg.norm(results[1].embedding) == pytest.approx(1.0, abs=1e-6)
    assert results[1].embedding.dtype == np.float32


def test_signals_are_compared_and_embeddings_described() -> None:
    detector = ChangeDetector(CONFIG)
    for index in range(20):
        detector.update(stamp(index), axis(index % 2), signal=[1.0])
    assert detector.required_s == CONFIG.evidence_s
    results = [detector.update(stamp(i), axis(2), signal=[-1.0]) for i in range(20, 30)]
    (change,) = [result for result in results if result is not None]
    assert (change.reason, change.since_ns) == (Reason.CHANGE, stamp(20))
    np.testing.assert_allclose(change.embedding, axis(2), atol=1e-6)


def test_other_signals_refresh_the_state_and_are_compared_from_then_on() -> None:
    detector = ChangeDetector(CONFIG)
    for index in range(100):
        detector.update(stamp(index), axis(0), signal=[1.0, 0.0])
    # Nothing is known of how the new signals differ from the old ones, so they are the state's.
    refresh = detector.update(stamp(100), axis(0), signal=[1.0, 0.0, 0.0])
    assert refresh is not None and refresh.ended is not None
    assert (refresh.reason, refresh.ended.samples) == (Reason.REFRESH, 100)
    same = [detector.update(stamp(i), axis(0), signal=[1, 0, 0]) for i in range(101, 200)]
    assert same == [None] * 99
    results = [detector.update(stamp(i), axis(1), signal=[0, 0, 1]) for i in range(200, 220)]
    (change,) = [result for result in results if result is not None]
    assert (change.reason, change.since_ns) == (Reason.CHANGE, stamp(200))
    assert change.ended is not None
    assert change.ended.samples == 100


def test_a_state_that_its_first_sample_showed_badly_is_corrected() -> None:
    """One glitch at the very beginning; what was said of it must not stand for ever."""
    results = decodes(CONFIG, [axis(1)] + [axis(0)] * 100)
    assert results[0].embedding @ axis(0) == 0
    assert results[-1].embedding @ axis(0) > 0.9
    assert len(results) == 2


def test_a_change_that_waits_for_confirmations_is_no_correction() -> None:
    config = ChangeConfig(evidence_s=0.1, confirmations=10, min_gap_s=0.0)
    results = decodes(config, [axis(0)] * 5 + [axis(1)] * 20)
    assert reasons(results) == [Reason.FIRST, Reason.CHANGE]


def test_a_correction_ends_nothing_and_keeps_the_beginning() -> None:
    leaning = np.array([0.8, 0.6, 0.0, 0.0])  # too little by little for a cut with much after it
    config = replace(CONFIG, evidence_s=0.25)
    results = decodes(config, [axis(0)] * 2 + [leaning] * 200)
    assert reasons(results) == [Reason.FIRST, Reason.CORRECTION]
    assert (results[1].since_ns, results[1].ended) == (START, None)
    assert results[1].embedding @ leaning > 0.99


def test_a_noisy_state_is_corrected_too() -> None:
    detector = ChangeDetector(CONFIG)
    results = [detector.update(START, axis(1))]
    for index in range(1, 200):
        noise = 0.4 * axis(2 + index % 2)
        results.append(detector.update(START + index * S // 50, axis(0) + noise))
    assert [result.reason for result in results if result][1:]
    forced = detector.force()
    assert forced is not None
    assert forced.distance < 0.1


def test_a_refresh_begins_the_comparison_anew() -> None:
    """Two steps, each too small to be corrected; together they would be enough."""
    config = ChangeConfig(evidence_s=0.5, confirmations=60, min_gap_s=0.0, refresh_s=9.0)
    steps = [0.0] * 20 + [0.45] * 25 + [1.0] * 33
    detector = ChangeDetector(config)
    results = [detector.update(stamp(i), axis(0), signal=[x]) for i, x in enumerate(steps)]
    assert [r.reason for r in results if r] == [Reason.FIRST, Reason.REFRESH]


def test_a_quiet_scene_is_refreshed_and_keeps_its_beginning() -> None:
    results = decodes(replace(CONFIG, refresh_s=30.0), [axis(0)] * 500)
    assert reasons(results) == [Reason.FIRST] + [Reason.REFRESH] * 3
    assert [result.stamp_ns for result in results] == [START + s * S for s in (0, 30, 60, 90)]
    assert {result.since_ns for result in results} == {START}


def test_a_change_that_is_about_to_be_confirmed_is_not_refreshed_away() -> None:
    config = ChangeConfig(evidence_s=0.2, confirmations=3, min_gap_s=0.0, refresh_s=2.2)
    results = decodes(config, np.array([axis(0)] * 10 + [axis(1)] * 10))
    assert reasons(results) == [Reason.FIRST, Reason.CHANGE]
    assert results[1].stamp_ns == stamp(12)


def test_a_change_after_a_refresh_is_found() -> None:
    samples = [axis(0)] * 60 + [axis(1)] * 20
    results = decodes(replace(CONFIG, refresh_s=10.0), samples)
    assert reasons(results) == [Reason.FIRST, Reason.REFRESH, Reason.CHANGE]
    assert results[2].since_ns == stamp(60)


def test_forcing_before_any_sample_gives_nothing() -> None:
    assert ChangeDetector(CONFIG).force() is None


def test_forcing_tells_the_present_state_and_hides_no_change() -> None:
    plain, asked = ChangeDetector(CONFIG), ChangeDetector(CONFIG)
    for index, sample in enumerate(np.repeat(np.eye(4), 40, axis=0)):
        expected = plain.update(stamp(index), sample)
        got = asked.update(stamp(index), sample)
        forced = asked.force()
        assert forced is not None
        assert (forced.reason, forced.stamp_ns) == (Reason.FORCED, stamp(index))
        assert (expected is None) == (got is None)
        if expected is not None and got is not None:
            assert (got.reason, got.since_ns) == (expected.reason, expected.since_ns)


def test_a_forced_decode_within_a_change_is_about_the_new_state() -> None:
    detector = ChangeDetector(ChangeConfig(evidence_s=0.5, confirmations=5))
    for index, sample in enumerate([axis(0)] * 10 + [axis(1)] * 4):
        detector.update(stamp(index), sample)
    forced = detector.force()
    assert forced is not None
    assert (forced.since_ns, forced.distance) == (stamp(10), pytest.approx(1.0))
    np.testing.assert_allclose(forced.embedding, axis(1), atol=1e-6)


def test_a_forced_decode_right_after_a_refresh_is_the_state_that_was_described() -> None:
    detector = ChangeDetector(replace(CONFIG, refresh_s=1.0))
    for index in range(6):
        detector.update(stamp(index), axis(0))
    forced = detector.force()
    assert forced is not None
    np.testing.assert_array_equal(forced.embedding, axis(0))


def test_what_ended_with_a_change_are_the_samples_before_it() -> None:
    samples = [axis(0)] * 60 + [axis(1)] * 60 + [axis(2)] * 60
    results = decodes(CONFIG, samples)
    assert [result.ended is None for result in results] == [True, False, False]
    for number, result in enumerate(results[1:]):
        segment = result.ended
        assert segment is not None
        assert (segment.start_ns, segment.end_ns) == (stamp(60 * number), stamp(60 * (number + 1)))
        assert segment.samples == 60
        np.testing.assert_allclose(segment.embedding, axis(number), atol=1e-6)


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
    detector = ChangeDetector(CONFIG)
    detector.update(START, axis(0))
    assert [detector.update(START, axis(1)) for _ in range(5)] == [None] * 5
    forced = detector.force()
    assert forced is not None
    np.testing.assert_array_equal(forced.embedding, axis(0))


def test_opposite_embeddings_do_not_cancel_out() -> None:
    config = ChangeConfig(evidence_s=10.0, confirmations=2, min_gap_s=0.0, refresh_s=0.8)
    detector = ChangeDetector(config)
    results = [detector.update(stamp(i), (-1) ** i * axis(0)) for i in range(6)]
    assert [r.reason for r in results if r] == [Reason.FIRST, Reason.REFRESH]
    forced = detector.force()
    assert forced is not None
    assert np.linalg.norm(forced.embedding) == pytest.approx(1.0)


def test_memory_stays_bounded_however_long_a_state_lasts() -> None:
    detector = ChangeDetector(CONFIG)
    sizes = []
    for index in range(2000):
        detector.update(stamp(index), axis(0))
        sizes.append(len(pickle.dumps(detector)))
    assert max(sizes[1000:]) <= max(sizes[:100]) + 64  # digits of larger numbers


def test_after_a_reset_another_dimension_is_welcome() -> None:
    detector = ChangeDetector(CONFIG)
    detector.update(START, axis(0, dimension=4))
    detector.reset()
    first = detector.update(START, axis(0, dimension=8))
    assert first is not None
    assert first.reason is Reason.FIRST


def test_a_new_configuration_holds_from_the_next_sample() -> None:
    detector = ChangeDetector(replace(CONFIG, evidence_s=1000.0))
    results = [detector.update(stamp(i), axis(min(i // 10, 1))) for i in range(20)]
    assert [result for result in results if result is not None] == results[:1]
    detector.config = CONFIG
    results = [detector.update(stamp(i), axis(1)) for i in range(20, 30)]
    assert [r.reason for r in results if r is not None] == [Reason.CHANGE]


STEPS = st.lists(
    st.tuples(
        st.integers(-2 * S, 3 * S),
        st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_comes_decodes_are_in_order_and_apart(
    steps: list[tuple[int, list[float]]],
) -> None:
    config = ChangeConfig(evidence_s=0.1, confirmations=1, min_gap_s=1.0, refresh_s=2.0)
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


@given(STEPS)
def test_every_sample_is_final_once(steps: list[tuple[int, list[float]]]) -> None:
    config = ChangeConfig(evidence_s=0.1, confirmations=1, min_gap_s=0.0, refresh_s=2.0)
    detector = ChangeDetector(config)
    now, stamps, total, segments = START, [START - 1], np.zeros(3), []
    for step, sample in steps:
        now += step
        try:
            result = detector.update(now, sample)
        except EmbeddingError:
            continue
        if now != stamps[-1]:
            stamps.append(now)
            total += unit(sample)
        if result is not None and result.ended is not None:
            segments.append(result.ended)
    if (last := detector.finish()) is not None:
        segments.append(last)
    assert sum(segment.samples for segment in segments) == len(stamps) - 1
    parts = [segment.samples * segment.mean for segment in segments]
    np.testing.assert_allclose(sum(parts, np.zeros(3)), total, atol=1e-4)
    assert all(segment.start_ns <= segment.end_ns for segment in segments)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("evidence_s", 0.0),
        ("evidence_s", -0.1),
        ("evidence_s", math.nan),
        ("evidence_s", math.inf),
        ("confirmations", 0),
        ("confirmations", LOOK_BACK + 1),
        ("min_gap_s", -1.0),
        ("min_gap_s", math.nan),
        ("refresh_s", -1.0),
    ],
)
def test_impossible_settings_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        ChangeConfig(**{field: value})  # type: ignore[arg-type]
