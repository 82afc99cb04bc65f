# SPDX-License-Identifier: Apache-2.0
"""The describer over real DDS, fed with embeddings that the test makes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.colour_bundle import DIMENSION, phrase
from support.film import MS, PERIOD, START
from support.ros import DEADLINE_S, Bench, Inbox
from support.speaker import COUNTING, SPACE, Speaker, meaning
from vljepa_msgs.msg import ModelInfo, Query, StateDescription
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.vectors import unit

FIRST_LOST_FIRST = [StateDescription.FIRST, StateDescription.LOST, StateDescription.FIRST]


def texts(states: Inbox) -> list[str]:
    return [state.text for state in states]


def describe(ros: Bench, query: str) -> Any:
    return ros.call(Describe, "describer/describe", query=query)


def test_queries_are_watched_one_by_one(speaker: Speaker, states: Inbox) -> None:
    for _ in range(3):
        speaker.say("red", 1, "colour")
        speaker.say("dark", 1, "brightness")
    for _ in range(3):
        speaker.say("red", 1, "colour")
        speaker.say("bright", 1, "brightness")
    states.wait(3)
    told = [(state.query, state.text, state.reason, state.seq) for state in states]
    assert told == [
        ("colour", phrase("red"), StateDescription.FIRST, 0),
        ("brightness", phrase("dark"), StateDescription.FIRST, 0),
        ("brightness", phrase("bright"), StateDescription.CHANGE, 1),
    ]


def test_a_single_odd_embedding_is_no_change(speaker: Speaker, states: Inbox) -> None:
    speaker.say("red", 5)
    speaker.say("blue", 1)
    speaker.say("red", 5)
    speaker.say("green", 2)
    states.wait(2)
    assert texts(states) == [phrase("red"), phrase("green")]


def test_a_change_that_leads_to_the_same_words_is_counted_and_not_told(
    describer: Describer, speaker: Speaker, states: Inbox
) -> None:
    speaker.say("red", 3)
    leaning = 1.02 * meaning("red") + meaning("green")  # far enough, and still red
    for _ in range(6):
        speaker.publish(unit(leaning))
    speaker.say("blue", 3)
    states.wait(2)
    assert texts(states) == [phrase("red"), phrase("blue")]
    assert states[1].previous_text == phrase("red")
    assert describer.tally["changes without new words"] == 1


@pytest.mark.parametrize(("compare", "changes"), [("answers", 0), ("embedding", 1)])
def test_what_no_phrase_tells_apart_is_a_change_of_the_embedding_only(
    ros: Bench, bundle: str, compare: str, changes: int
) -> None:
    describer = ros.add(Describer, bundle=bundle, compare=compare, **COUNTING)
    speaker = Speaker(ros, describer)
    speaker.say("red", 10)
    nameless = meaning("red") + 2.0 * np.eye(DIMENSION)[-1]
    for _ in range(10):
        speaker.publish(unit(nameless))
    assert describer.tally["changes without new words"] == changes


def test_a_refresh_repeats_the_state_with_the_time_at_which_it_began(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    assert ros.set_parameters("describer", refresh_s=1.0).successful
    begin = speaker.say("red", 12)[0]
    first, refresh = states.wait(2)
    assert (refresh.reason, refresh.text) == (StateDescription.REFRESH, phrase("red"))
    assert to_ns(refresh.since) == to_ns(first.since) == begin
    assert to_ns(refresh.header.stamp) == begin + 1000 * MS
    assert (refresh.seq, refresh.previous_text) == (1, "")


def test_describe_tells_the_state_now_and_publishes_it(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    stamps = speaker.say("green", 3)
    answer = describe(ros, "colour")
    assert answer.success, answer.message
    assert (answer.state.text, answer.state.reason) == (phrase("green"), StateDescription.FORCED)
    assert to_ns(answer.state.header.stamp) == stamps[-1]
    assert to_ns(answer.state.since) == stamps[0]
    assert answer.state.header.frame_id == "front"
    told = states.wait(2)[1]
    assert math.isnan(told.unfamiliarity) and math.isnan(answer.state.unfamiliarity)
    told.unfamiliarity = answer.state.unfamiliarity = 0.0  # NaN is not equal to itself
    assert told == answer.state
    assert describe(ros, "").success  # the only query needs no name


def test_describe_answers_within_one_period_and_waits_for_no_embedding(
    ros: Bench, speaker: Speaker
) -> None:
    newest = speaker.say("green", 3)[-1]
    client = ros.node.create_client(Describe, "describer/describe")
    assert client.wait_for_service(DEADLINE_S)
    took_s = []
    for _ in range(5):
        answered = threading.Event()
        began_s = time.monotonic()
        future = client.call_async(Describe.Request(query="colour"))
        future.add_done_callback(lambda _, event=answered: event.set())
        assert answered.wait(DEADLINE_S)
        took_s.append(time.monotonic() - began_s)
        assert to_ns(future.result().state.header.stamp) == newest
    ros.node.destroy_client(client)
    assert min(took_s) < PERIOD * 1e-9  # the others may wait for a busy machine


def test_describe_says_why_it_cannot(ros: Bench, bundle: str, speaker: Speaker) -> None:
    assert "no embedding" in describe(ros, "colour").message
    speaker.say("red", 1, "colour")
    speaker.say("dark", 1, "brightness")
    for query in ("", "weather"):
        answer = describe(ros, query)
        assert not answer.success and "brightness" in answer.message
    assert ros.transition("describer", "deactivate")
    assert "not active" in describe(ros, "colour").message
    assert ros.transition("describer", "cleanup")
    assert "not configured" in describe(ros, "colour").message


@pytest.mark.parametrize(
    "vector",
    [
        np.full(DIMENSION, np.nan),
        np.full(DIMENSION, np.inf),
        np.zeros(DIMENSION),
        np.ones(DIMENSION - 1),
        np.ones(0),
    ],
    ids=["nan", "inf", "zero", "short", "empty"],
)
def test_an_embedding_that_cannot_be_one_changes_nothing(
    describer: Describer, speaker: Speaker, states: Inbox, vector: Any
) -> None:
    speaker.publish(vector)
    speaker.say("red", 3)
    speaker.publish(vector)
    speaker.say("blue", 3)
    states.wait(2)
    assert texts(states) == [phrase("red"), phrase("blue")]
    refused = describer.tally["embeddings refused"]
    assert refused + describer.tally["embeddings of another space"] == 2


def test_embeddings_of_another_space_are_refused_and_reported(
    ros: Bench, describer: Describer, speaker: Speaker, states: Inbox
) -> None:
    reports = ros.diagnostics("describer")
    speaker.say("red", 2)
    speaker.say("blue", 4, space_id="other-model-7")
    speaker.say("red", 2)
    report = reports.wait_for(
        lambda r: r.values.get("embeddings of another space") == "4", "the refused embeddings"
    )
    assert "other-model-7" in report.values["last fault"]
    assert texts(states) == [phrase("red")]


def test_a_recording_that_begins_again_is_described_anew(speaker: Speaker, states: Inbox) -> None:
    speaker.say("red", 3)
    speaker.next_ns = begin = START - 3600 * 10**9
    speaker.say("blue", 3)
    states.wait(2)
    again = states[1]
    assert (again.reason, again.text) == (StateDescription.FIRST, phrase("blue"))
    assert (again.previous_text, to_ns(again.since), again.distance) == ("", begin, 0.0)


def test_a_simulated_clock_set_back_begins_anew(ros: Bench, bundle: str, states: Inbox) -> None:
    describer = ros.add(Describer, bundle=bundle, use_sim_time=True)
    speaker = Speaker(ros, describer)
    ros.set_clock(describer, START)
    speaker.say("red", 2)
    ros.set_clock(describer, START - 10**9)
    states.wait(2)
    speaker.say("red", 2)
    states.wait(3)
    assert [state.reason for state in states] == FIRST_LOST_FIRST


def test_a_query_that_asks_something_else_is_described_anew(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    infos = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))

    def announce(text: str) -> None:
        infos.publish(ModelInfo(space_id=SPACE, queries=[Query(name="colour", text=text)]))

    announce("What colour?")
    speaker.say("red", 3)
    announce("Which colour is the floor?")
    states.wait(2)
    speaker.say("red", 1)
    states.wait(3)
    assert [state.reason for state in states] == FIRST_LOST_FIRST


def test_thresholds_are_changed_while_running(ros: Bench, speaker: Speaker, states: Inbox) -> None:
    speaker.say("red", 3)
    assert ros.set_parameters("describer", confirmations=60, min_gap_s=2.5).successful
    speaker.say("blue", 20)
    assert ros.set_parameters("describer", confirmations=1).successful
    speaker.say("blue", 10)
    states.wait(2)
    assert states[1].text == phrase("blue")
    assert to_ns(states[1].header.stamp) == START + 2500 * MS


@pytest.mark.parametrize(
    "change",
    [
        {"evidence_s": 0.0},
        {"evidence_s": 2.5},
        {"evidence_s": float("nan")},
        {"confirmations": 0},
        {"min_gap_s": -1.0},
        {"evidence_s": 1e9},
        {"evidence_s": "high"},
        {"bundle": "/elsewhere"},
        {"evidence_s": 0.3, "refresh_s": -1.0},
    ],
)
def test_bad_parameters_are_refused_and_the_old_ones_stay(
    ros: Bench, describer: Describer, change: dict[str, Any]
) -> None:
    ros.wait(lambda: describer.phase.value == "active", "it is active")
    before = {name: describer.parameters[name] for name in change}
    result = ros.set_parameters("describer", **change)
    assert not result.successful and result.reason
    assert {name: describer.parameters[name] for name in change} == before


def test_a_slow_decoder_holds_up_no_embedding_and_the_newest_state_wins(
    ros: Bench,
    describer: Describer,
    speaker: Speaker,
    states: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached, release = _hold_decoder(monkeypatch)
    speaker.say("dark", 2, "brightness")
    assert reached.wait(DEADLINE_S)
    speaker.say("red", 3, "colour")
    begin = speaker.say("green", 3, "colour")[0]
    speaker.say("bright", 3, "brightness")
    release.set()
    states.wait(3)
    told = [(state.query, state.text, state.reason) for state in states]
    assert told == [
        ("brightness", phrase("dark"), StateDescription.FIRST),
        ("colour", phrase("green"), StateDescription.FIRST),  # nothing was told before it
        ("brightness", phrase("bright"), StateDescription.CHANGE),
    ]
    assert (to_ns(states[1].since), states[1].distance) == (begin, 0.0)
    assert describer.tally["states replaced by newer ones"] == 1


def _hold_decoder(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Make the phrase bank wait; return the events that tell so and that end it."""
    reached, release = threading.Event(), threading.Event()
    best: Callable[..., Any] = PhraseBank.best

    def slow(bank: PhraseBank, query: str, embedding: Any) -> Any:
        reached.set()
        assert release.wait(DEADLINE_S)
        return best(bank, query, embedding)

    monkeypatch.setattr(PhraseBank, "best", slow)
    return reached, release
