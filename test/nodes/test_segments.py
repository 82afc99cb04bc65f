# SPDX-License-Identifier: Apache-2.0
"""Finished segments over real DDS: when a state is over, and what is told of it then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy

from support.colour_bundle import phrase
from support.film import PERIOD, START
from support.ros import DEADLINE_S, Bench, Inbox
from support.speaker import SPACE, Speaker, meaning
from vljepa_msgs.msg import ModelInfo, Query, StateDescription
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.vectors import unit


def spans(segments: Inbox) -> list[tuple[str, int, int]]:
    return [(it.text, to_ns(it.start), to_ns(it.end)) for it in segments]


def test_a_state_that_is_over_is_told_once_with_all_that_a_log_needs(
    speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    red = speaker.say("red", 4)
    leaning = unit(meaning("red") + 0.3 * meaning("blue"))  # the same words, and no change
    speaker.publish(leaning)
    blue = speaker.say("blue", 3)
    green = speaker.say("green", 3)
    segments.wait(2)
    states.wait(3)
    assert spans(segments) == [
        (phrase("red"), red[0], blue[0]),
        (phrase("blue"), blue[0], green[0]),
    ]
    assert [to_ns(state.since) for state in states] == [red[0], blue[0], green[0]]
    first = segments[0]
    assert (first.query, first.space_id, first.normalized) == ("colour", SPACE, True)
    assert (first.header.stamp, first.header.frame_id) == (first.end, "front")
    assert [(it.samples, it.seq) for it in segments] == [(5, 0), (3, 1)]
    mean = np.mean([*[meaning("red")] * 4, leaning], axis=0)
    np.testing.assert_allclose(first.data, unit(mean), atol=1e-6)
    assert 0.5 < first.score <= 1.0


@pytest.mark.parametrize("label", ["deactivate", "shutdown"])
def test_the_end_of_the_node_ends_the_segments(
    ros: Bench, speaker: Speaker, segments: Inbox, label: str
) -> None:
    red = speaker.say("red", 3, "colour")
    dark = speaker.say("dark", 1, "brightness")
    assert ros.transition("describer", label)
    segments.wait(2)
    assert spans(segments) == [
        (phrase("red"), red[0], red[-1]),
        (phrase("dark"), dark[0], dark[0]),
    ]
    assert [it.samples for it in segments] == [3, 1]


def test_each_life_counts_its_segments_anew(
    ros: Bench, describer: Describer, segments: Inbox
) -> None:
    for _ in range(2):
        Speaker(ros, describer).say("red", 2)
        assert ros.transition("describer", "deactivate")
        assert ros.transition("describer", "activate")
    segments.wait(2)
    assert [it.seq for it in segments] == [0, 0]


def test_a_recording_that_begins_again_ends_the_segment(speaker: Speaker, segments: Inbox) -> None:
    red = speaker.say("red", 3)
    speaker.next_ns = START - 3600 * 10**9
    speaker.say("red", 1)
    segments.wait(1)
    assert spans(segments) == [(phrase("red"), red[0], red[-1])]


def test_a_clock_set_back_ends_the_segment(ros: Bench, bundle: str, segments: Inbox) -> None:
    describer = ros.add(Describer, bundle=bundle, use_sim_time=True)
    speaker = Speaker(ros, describer)
    ros.wait_heard(describer, "/describer/segment")
    ros.set_clock(describer, START)
    speaker.say("red", 2)
    ros.set_clock(describer, START - 10**9)
    segments.wait(1)
    assert [it.samples for it in segments] == [2]


def test_a_query_that_asks_something_else_ends_the_segment(
    ros: Bench, speaker: Speaker, segments: Inbox
) -> None:
    infos = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))
    speaker.say("red", 3)
    speaker.say("dark", 2, "brightness")
    infos.publish(ModelInfo(space_id=SPACE, queries=[Query(name="colour", text="Which?")]))
    segments.wait(1)
    assert [(it.query, it.samples) for it in segments] == [("brightness", 2)]


def test_a_description_on_request_ends_nothing_and_hides_no_change(
    ros: Bench, speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    red = speaker.say("red", 3)
    assert ros.set_parameters("describer", min_gap_s=60.0).successful
    blue = speaker.say("blue", 5)  # no change may be told yet
    look = ros.call(Describe, "describer/describe", query="colour").state
    assert (look.text, look.previous_text) == (phrase("blue"), phrase("red"))
    assert (look.reason, to_ns(look.since)) == (StateDescription.FORCED, blue[0])
    assert ros.set_parameters("describer", min_gap_s=0.0).successful
    speaker.say("blue", 1)
    change = states.wait(3)[2]
    assert (change.text, change.previous_text) == (phrase("blue"), phrase("red"))
    assert (change.reason, to_ns(change.since)) == (StateDescription.CHANGE, blue[0])
    assert [state.seq for state in states] == [0, 1, 2]
    segments.wait(1)
    assert spans(segments) == [(phrase("red"), red[0], blue[0])]


def test_other_words_at_a_refresh_end_the_segment(
    ros: Bench, speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    unmoved = {"evidence_s": 1.0, "confirmations": 60}
    assert ros.set_parameters("describer", refresh_s=1.0, **unmoved).successful
    speaker.say("red", 5)
    speaker.say("green", 10)
    refresh = states.wait(2)[1]
    assert (refresh.reason, refresh.text) == (StateDescription.REFRESH, phrase("green"))
    assert refresh.previous_text == phrase("red")
    segments.wait(1)
    assert to_ns(segments[0].end) == to_ns(refresh.since) == to_ns(refresh.header.stamp)


def test_a_slow_decoder_loses_no_sample(
    ros: Bench,
    speaker: Speaker,
    states: Inbox,
    segments: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached, release = threading.Event(), threading.Event()

    def slow() -> None:
        reached.set()
        assert release.wait(DEADLINE_S)

    _before_each_decode(monkeypatch, slow)
    for colour in ("red", "green", "blue", "yellow"):
        speaker.say(colour, 3)
    assert reached.is_set()
    release.set()
    states.wait(2)
    assert ros.transition("describer", "deactivate")
    segments.wait(2)
    yellow = START + 9 * PERIOD
    told = [state.text for state in states if state.reason != StateDescription.LOST]
    assert told == [phrase("red"), phrase("yellow")]
    assert [(to_ns(it.start), to_ns(it.end), it.samples) for it in segments] == [
        (START, yellow, 9),  # green and blue were never told: they count to red
        (yellow, yellow + 2 * PERIOD, 3),
    ]


def test_a_failing_decoder_loses_no_sample(
    ros: Bench,
    describer: Describer,
    speaker: Speaker,
    segments: Inbox,
    states: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speaker.say("red", 3)
    states.wait(1)
    failures = iter([True])

    def fail_once() -> None:
        if next(failures, False):
            raise BackendError("out of memory")

    _before_each_decode(monkeypatch, fail_once)
    speaker.say("green", 3)
    ros.wait(lambda: describer.tally["descriptions failed"] == 1, "a failure")
    speaker.say("blue", 3)
    segments.wait(1)
    assert ros.transition("describer", "deactivate")
    segments.wait(2)
    assert [(it.samples, it.seq) for it in segments] == [(6, 0), (3, 1)]
    assert to_ns(segments[0].start) == START


def test_a_first_state_that_failed_is_followed_by_a_first_state(
    describer: Describer, speaker: Speaker, states: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([True])

    def fail_once() -> None:
        if next(failures, False):
            raise BackendError("out of memory")

    _before_each_decode(monkeypatch, fail_once)
    speaker.say("red", 3)
    speaker.say("green", 3)
    first = states.wait(1)[0]
    assert (first.text, first.previous_text) == (phrase("green"), "")
    assert (first.reason, first.distance, first.seq) == (StateDescription.FIRST, 0.0, 0)
    assert describer.tally["descriptions failed"] == 1


def test_segments_are_reliable_and_not_told_again_to_late_readers(
    ros: Bench, speaker: Speaker
) -> None:
    (offered,) = ros.node.get_publishers_info_by_topic("/describer/segment")
    assert offered.qos_profile.reliability is QoSReliabilityPolicy.RELIABLE
    assert offered.qos_profile.durability is QoSDurabilityPolicy.VOLATILE


def test_a_segment_whose_embeddings_cancel_out_is_counted_and_the_node_goes_on(
    ros: Bench, describer: Describer, speaker: Speaker, segments: Inbox
) -> None:
    assert ros.set_parameters("describer", confirmations=60).successful
    speaker.publish(meaning("red"))
    speaker.publish(-meaning("red"))
    speaker.next_ns = START - 3600 * 10**9
    speaker.say("red", 2)
    assert ros.transition("describer", "deactivate")
    segments.wait(1)
    assert [(it.samples, it.seq) for it in segments] == [(2, 1)]
    assert describer.tally["segments lost"] == 1


def test_a_stuck_decoder_does_not_keep_the_node_from_its_end(
    ros: Bench, describer: Describer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", 0.1)
    release = threading.Event()
    _before_each_decode(monkeypatch, lambda: release.wait(DEADLINE_S))
    try:
        speaker.say("red", 1)
        assert ros.transition("describer", "deactivate")
        assert describer.tally["segments lost"] == 1
    finally:
        release.set()


def _before_each_decode(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    best: Callable[..., Any] = PhraseBank.best

    def after(bank: PhraseBank, query: str, embedding: Any) -> Any:
        do()
        return best(bank, query, embedding)

    monkeypatch.setattr(PhraseBank, "best", after)
