# SPDX-License-Identifier: Apache-2.0
"""The gate keeps its rate for any camera, and survives any row of stamps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vljepa_ros.stream.stamp_gate import Admission, StampFault, StampGate

S = 1_000_000_000
START = 1_700_000_000 * S


def camera(rate_hz: float, count: int, jitters: list[float], start_ns: int = START) -> list[int]:
    """Return stamps at ``rate_hz``, each moved by a jitter given in seconds."""
    return [
        start_ns + round((index / rate_hz + jitters[index % len(jitters)]) * S)
        for index in range(count)
    ]


def admissions(gate: StampGate, stamps: list[int]) -> list[Admission]:
    return [gate.admit(stamp) for stamp in stamps]


def accepted(gate: StampGate, stamps: list[int]) -> list[int]:
    return [stamp for stamp in stamps if gate.admit(stamp).accepted]


shares = st.lists(st.floats(-0.25, 0.25), min_size=1, max_size=40)  # of a period
rates = st.floats(0.5, 60.0)


@given(rate=rates, faster=st.floats(1.0, 12.0), jitter=shares)
def test_a_faster_camera_yields_the_full_rate_without_drift(
    rate: float, faster: float, jitter: list[float]
) -> None:
    camera_rate = rate * faster
    count = math.ceil(60 * faster)
    stamps = camera(camera_rate, count, [share / camera_rate for share in jitter])
    seconds = (stamps[-1] - stamps[0]) / S
    got = len(accepted(StampGate(rate, max_gap_s=10.0), stamps))
    assert abs(got - seconds * rate) <= 3


@given(rate=rates, slower=st.floats(0.2, 1.0), jitter=shares)
def test_a_slower_or_equal_camera_loses_no_frame(
    rate: float, slower: float, jitter: list[float]
) -> None:
    stamps = camera(rate * slower, 60, [share / rate for share in jitter])
    assert accepted(StampGate(rate, max_gap_s=100.0), stamps) == stamps


@given(rate=rates, steps=st.lists(st.floats(0.0001, 0.9), min_size=2, max_size=200))
def test_no_stretch_of_time_has_more_than_its_share(rate: float, steps: list[float]) -> None:
    stamps = [START]
    for step in steps:
        stamps.append(stamps[-1] + round(step * S))
    kept = accepted(StampGate(rate, max_gap_s=1.0), stamps)
    for first in range(len(kept)):
        for last in range(first, len(kept)):
            most = (kept[last] - kept[first]) / S * rate + 3.0
            assert last - first + 1 <= most


@pytest.mark.parametrize(
    ("camera_hz", "uneven_s"),
    [(20, 0.003), (30, 0.003), (40, 0.003), (50, 0.003), (60, 0.003), (90, 0.014), (120, 0.011)],
)
def test_common_cameras_are_thinned_evenly_in_spite_of_small_jitter(
    camera_hz: float, uneven_s: float
) -> None:
    jitter = [0.0, 0.001, -0.001, 0.0005, -0.0007]
    kept = accepted(StampGate(10.0, max_gap_s=1.0), camera(camera_hz, 600, jitter))
    steps = [(b - a) / S for a, b in zip(kept[1:], kept[2:], strict=False)]
    assert max(abs(step - 0.1) for step in steps) < uneven_s


def test_a_frame_that_comes_a_quarter_of_a_period_early_is_due() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    stamps = [START, START + round(0.075 * S), START + round(0.2 * S)]
    assert admissions(gate, stamps) == [Admission.ACCEPTED] * 3


def test_a_stall_is_not_made_up_for_with_a_burst() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    accepted(gate, camera(30.0, 30, [0.0]))
    after = camera(30.0, 30, [0.0], start_ns=START + round(1.9 * S))
    assert len(accepted(gate, after)) <= 11


def test_a_gap_is_reported_once_and_the_stream_goes_on() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    before = admissions(gate, camera(30.0, 60, [0.0]))
    after = admissions(gate, camera(30.0, 60, [0.0], start_ns=START + 12 * S))
    assert Admission.GAP not in before
    assert after[0] is Admission.GAP
    assert after.count(Admission.GAP) == 1
    assert after.count(Admission.ACCEPTED) == pytest.approx(19, abs=1)


def test_an_hour_forward_is_one_gap_without_a_flood() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    accepted(gate, camera(30.0, 30, [0.0]))
    assert len(accepted(gate, camera(30.0, 30, [0.0], start_ns=START + 3600 * S))) <= 11


@pytest.mark.parametrize("rate_hz", [0.2, 0.9, 1.0])
def test_a_camera_slower_than_the_gap_limit_is_no_row_of_gaps(rate_hz: float) -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    results = admissions(gate, camera(rate_hz, 50, [0.0, 0.05, -0.04]))
    assert all(result.accepted for result in results)
    assert Admission.GAP not in results[2:]


def test_a_drop_out_of_a_slow_camera_is_a_gap() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    stamps = camera(0.9, 20, [0.0])
    accepted(gate, stamps)
    assert gate.admit(stamps[-1] + 10 * S) is Admission.GAP


def test_a_long_step_back_starts_anew_at_once() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    accepted(gate, camera(30.0, 60, [0.0]))
    again = admissions(gate, camera(30.0, 60, [0.0], start_ns=START - 60 * S))
    assert again[0] is Admission.JUMP_BACK
    assert again.count(Admission.JUMP_BACK) == 1
    assert again.count(Admission.ACCEPTED) == pytest.approx(19, abs=1)


def test_a_short_step_back_is_out_of_order_and_forgotten() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    assert gate.admit(START) is Admission.ACCEPTED
    assert gate.admit(START - S) is Admission.OUT_OF_ORDER
    assert gate.admit(START - S - 1) is Admission.JUMP_BACK


@given(
    stamps=st.lists(st.integers(1, 100), min_size=1, max_size=60, unique=True).map(sorted),
    data=st.data(),
)
def test_duplicates_and_late_frames_change_nothing_for_the_others(
    stamps: list[int], data: st.DataObject
) -> None:
    stamps = [START + stamp * S // 50 for stamp in stamps]
    gate, disturbed = StampGate(10.0, max_gap_s=5.0), StampGate(10.0, max_gap_s=5.0)
    for index, stamp in enumerate(stamps):
        assert disturbed.admit(stamp) is gate.admit(stamp)
        old = data.draw(st.sampled_from(stamps[: index + 1]))
        repeated = disturbed.admit(old)
        assert repeated is (Admission.DUPLICATE if old == stamp else Admission.OUT_OF_ORDER)


@given(stamps=st.lists(st.integers(0, 2**63 - 1) | st.integers(0, 5 * S), max_size=100))
def test_any_row_of_stamps_gives_ordered_stretches(stamps: list[int]) -> None:
    gate = StampGate(30.0, max_gap_s=0.5)
    newest = -1
    for stamp in stamps:
        admission = gate.admit(stamp)
        if admission.accepted and not admission.resets:
            assert stamp > newest
        if admission.accepted:
            newest = stamp


def test_a_new_rate_counts_from_the_next_frame() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    stamps = camera(60.0, 600, [0.0])
    assert len(accepted(gate, stamps[:300])) == pytest.approx(50, abs=1)
    gate.rate_hz = 30.0
    assert len(accepted(gate, stamps[300:])) == pytest.approx(150, abs=2)
    assert gate.rate_hz == 30.0


def test_after_a_reset_any_stamp_is_the_first() -> None:
    gate = StampGate(10.0, max_gap_s=1.0)
    gate.admit(START)
    gate.reset()
    assert gate.admit(START) is Admission.ACCEPTED


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_settings_are_refused_and_the_old_rate_stays(bad: float) -> None:
    with pytest.raises(ValueError, match="rate_hz"):
        StampGate(bad, max_gap_s=1.0)
    with pytest.raises(ValueError, match="max_gap_s"):
        StampGate(1.0, max_gap_s=bad)
    gate = StampGate(10.0, max_gap_s=1.0)
    with pytest.raises(ValueError, match="rate_hz"):
        gate.rate_hz = bad
    assert gate.rate_hz == 10.0


def faults(stamps: list[int], tolerated: float = 0.1) -> StampFault | None:
    gate = StampGate(10.0, max_gap_s=1.0)
    admissions(gate, stamps)
    return gate.fault(tolerated)


def test_stamps_that_are_all_equal_are_a_fault() -> None:
    assert faults([START] * 4) is None, "too few to tell"
    assert faults([START] * 5) is StampFault.ALL_EQUAL
    assert faults(camera(10.0, 200, [0.0]) + [START + 20 * S] * 80) is StampFault.ALL_EQUAL
    twice = [stamp for stamp in camera(10.0, 40, [0.0]) for _ in range(2)]
    assert faults(twice) is None, "each image comes twice, which does no harm"


@pytest.mark.parametrize("offset_s", [0.05, 0.7, 3600.0])
def test_two_clocks_on_one_topic_are_a_fault(offset_s: float) -> None:
    other = round(offset_s * S)
    stamps = [stamp + shift for stamp in camera(10.0, 40, [0.0]) for shift in (other, 0)]
    assert faults(stamps) is StampFault.TO_AND_FRO


def test_a_loop_that_is_shorter_than_the_gap_is_a_fault_and_a_longer_one_is_not() -> None:
    assert faults(camera(10.0, 9, [0.0]) * 5) is StampFault.TO_AND_FRO
    assert faults(camera(10.0, 30, [0.0]) * 5) is None


def test_a_rare_step_back_is_a_fault_only_if_nothing_is_tolerated() -> None:
    stamps = camera(30.0, 60, [0.0])
    stamps[31:31] = [START - 3600 * S]
    assert faults(stamps) is None
    assert faults(stamps, tolerated=0.0) is StampFault.TO_AND_FRO
    assert faults(camera(30.0, 60, [0.0]), tolerated=0.0) is None
