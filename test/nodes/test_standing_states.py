# SPDX-License-Identifier: Apache-2.0
"""What stands on a topic is true: states end, say so, and reach those who come late."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from rclpy.qos import QoSDurabilityPolicy, QoSReliabilityPolicy

from support.colour_bundle import phrase
from support.film import MS, PERIOD, START, Film
from support.ros import Bench, Inbox
from support.speaker import COUNTING, SPACE, Speaker, meaning
from vljepa_msgs.msg import Embedding, ModelInfo, Query, StateDescription, States
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.stream.vectors import unit

FIRST, CHANGE, LOST = StateDescription.FIRST, StateDescription.CHANGE, StateDescription.LOST
S = 1_000_000_000


@pytest.fixture
def ask(ros: Bench, describer: Describer) -> Callable[..., None]:
    """Announce queries as an embedder does, and wait until the describer knows."""
    infos = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))

    def announce(*names: str) -> None:
        queries = [Query(name=name, text=f"What {name}?") for name in names]
        infos.publish(ModelInfo(space_id=SPACE, queries=queries))
        (camera,) = describer._worker.cameras.values()
        ros.wait(
            lambda: set(camera._detector._texts or ()) == set(names), "the describer knows it"
        )

    return announce


def told(states: Inbox) -> list[tuple[str, str, int]]:
    return [(state.query, state.text, state.reason) for state in states]


def standing(ros: Bench) -> Inbox:
    """Subscribe late, as a planner that was started after the robot."""
    return ros.inbox(States, "describer/states", latched(1))


def test_a_camera_that_stops_takes_its_states_away(
    ros: Bench, bundle: str, states: Inbox, segments: Inbox
) -> None:
    """In simulated time, which the node's clock is."""
    describer = ros.add(Describer, bundle=bundle, use_sim_time=True, silence_s=2.0)
    speaker = Speaker(ros, describer)
    ros.wait_heard(describer, "/describer/segment")
    ros.set_clock(describer, START)
    red = speaker.say("red", 3, "colour")
    ros.set_clock(describer, START + 1 * S)
    speaker.say("dark", 1, "brightness")
    ros.set_clock(describer, START + 2 * S + 100 * MS)  # silent for 2.1 s and for 1.1 s
    lost = states.wait(3)[2]
    assert (lost.query, lost.text, lost.reason, lost.seq) == ("colour", "", LOST, 1)
    assert lost.previous_text == phrase("red")
    assert to_ns(lost.header.stamp) == to_ns(lost.since) == red[-1]
    assert (lost.header.frame_id, lost.score, lost.distance) == ("front", 0.0, 0.0)
    assert math.isnan(lost.cosine)
    segments.wait(1)
    assert (to_ns(segments[0].start), to_ns(segments[0].end)) == (red[0], red[-1])
    ros.set_clock(describer, START + 9 * S)
    states.wait(4)
    speaker.say("red", 2, "colour")
    states.wait(5)
    assert told(states)[3:] == [("brightness", "", LOST), ("colour", phrase("red"), FIRST)]


def test_without_a_limit_silence_ends_nothing(ros: Bench, bundle: str, states: Inbox) -> None:
    describer = ros.add(Describer, bundle=bundle, use_sim_time=True, silence_s=0.0)
    ros.set_clock(describer, START)
    speaker = Speaker(ros, describer)
    speaker.say("red", 1)
    ros.set_clock(describer, START + 3600 * S)
    beats = standing(ros)
    beats.wait_for(lambda it: to_ns(it.header.stamp) == START + 3600 * S, "the time now")
    assert told(states) == [("colour", phrase("red"), FIRST)]
    assert ros.set_parameters("describer", silence_s=5.0).successful
    states.wait(2)
    assert states[1].reason == LOST


def test_a_hole_makes_two_segments_that_end_when_something_was_last_seen(
    ros: Bench, bundle: str, describer: Describer, states: Inbox, segments: Inbox
) -> None:
    """Through a real embedder, which cuts its clips at the hole."""
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    camera = ros.camera().wait_matched()
    film = Film(camera, ros.inbox(Embedding, "embedder/embedding"))
    before = [film.roll("red"), *film.show("red", 3)]
    film.next_ns += 3600 * S
    after = [film.roll("red"), *film.show("red", 3)]
    states.wait(2)
    assert ros.transition("describer", "deactivate")
    segments.wait(2)
    assert [(to_ns(it.start), to_ns(it.end)) for it in segments] == [
        (before[0], before[-1]),
        (after[0], after[-1]),
    ]
    states.wait(3)
    assert [state.reason for state in states] == [FIRST, FIRST, LOST]


def test_whoever_comes_late_gets_the_state_of_every_query(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    speaker.say("dark", 3, "brightness")
    for word in ("red", "green") * 8:  # more than ~/state keeps
        speaker.say(word, 3, "colour")
    states.wait(17)
    assert ros.call(Describe, "describer/describe", query="colour").success
    (newest,) = standing(ros).wait(1)[:1]
    assert [(one.query, one.text) for one in newest.states] == [
        ("brightness", phrase("dark")),
        ("colour", phrase("green")),
    ]
    assert [one.reason for one in newest.states] == [FIRST, CHANGE], "FORCED is left out"
    assert newest.header.frame_id == "front"
    (offered,) = ros.node.get_publishers_info_by_topic("/describer/states")
    assert offered.qos_profile.reliability is QoSReliabilityPolicy.RELIABLE
    assert offered.qos_profile.durability is QoSDurabilityPolicy.TRANSIENT_LOCAL


def test_the_states_are_a_sign_of_life(
    ros: Bench, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.standing_states.PERIOD_S", 0.02)
    describer = ros.add(Describer, bundle=bundle, **COUNTING)
    beats = standing(ros)
    beats.wait(3)
    assert list(beats[0].states) == []
    Speaker(ros, describer).say("red", 1)
    beats.wait_for(lambda it: len(it.states) == 1, "a state")
    count = len(beats)
    beats.wait(count + 3)
    assert len({to_ns(it.header.stamp) for it in beats}) == len(beats)


def test_a_node_that_is_deactivated_leaves_no_old_truth(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    speaker.say("red", 1, "colour")
    speaker.say("dark", 1, "brightness")
    states.wait(2)
    assert ros.transition("describer", "deactivate")
    states.wait(4)
    assert told(states)[2:] == [("colour", "", LOST), ("brightness", "", LOST)]
    late = standing(ros).wait(1)[-1]
    assert [one.reason for one in late.states] == [LOST, LOST]


def test_a_removed_query_leaves_nothing(
    ros: Bench,
    describer: Describer,
    speaker: Speaker,
    states: Inbox,
    ask: Callable[..., None],
) -> None:
    ask("colour", "brightness")
    speaker.say("dark", 2, "brightness")
    speaker.say("red", 2, "colour")
    states.wait(2)
    ask("colour")
    states.wait(3)
    speaker.say("bright", 3, "brightness")  # the embedder was still at work
    assert describer.tally["embeddings of queries that are not asked"] == 3
    answer = ros.call(Describe, "describer/describe", query="brightness")
    assert not answer.success and "not asked" in answer.message
    speaker.say("blue", 3, "colour")
    states.wait(4)
    assert told(states)[2:] == [("brightness", "", LOST), ("colour", phrase("blue"), CHANGE)]
    late = standing(ros).wait(1)[-1]
    assert [one.query for one in late.states] == ["colour"]
    ask("colour", "brightness")
    speaker.say("dark", 1, "brightness")
    again = states.wait(5)[4]
    assert (again.query, again.reason, again.seq) == ("brightness", FIRST, 0)


def test_a_query_whose_state_was_lost_before_is_removed_from_the_states(
    ros: Bench, bundle: str, ask: Callable[..., None], speaker: Speaker, states: Inbox
) -> None:
    ask("colour", "brightness")
    speaker.say("dark", 1, "brightness")
    states.wait(1)
    assert ros.set_parameters("describer", silence_s=0.001).successful
    states.wait(2)
    seen = standing(ros)
    seen.wait_for(lambda it: [one.reason for one in it.states] == [LOST], "the lost state")
    ask("colour")
    seen.wait_for(lambda it: not it.states, "no state")


def test_names_that_nobody_announced_are_not_kept(
    ros: Bench, describer: Describer, speaker: Speaker, ask: Callable[..., None]
) -> None:
    ask("colour")
    for number in range(20):
        speaker.say("red", 1, f"q{number}")
    speaker.say("red", 1, "colour")
    assert describer.tally["embeddings of queries that are not asked"] == 20
    late = standing(ros).wait_for(lambda it: len(it.states) > 0, "a state")
    assert [one.query for one in late.states] == ["colour"]


def test_embeddings_that_were_lost_are_counted(describer: Describer, speaker: Speaker) -> None:
    for seq in (7, 8, 9, 12, 0, 1, 5):  # the embedder was started again
        speaker.publish(meaning("red"), seq=seq)
    speaker.publish(meaning("dark"), "brightness", seq=40)
    assert describer.tally["embeddings lost on the way"] == 2


def test_what_no_phrase_resembles_is_a_state_of_its_own(
    ros: Bench, speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    assert ros.set_parameters("describer", min_similarity=0.7).successful
    strange = unit(meaning("red") - 2.0 * meaning("dark"))  # still nearest to red
    speaker.say("red", 5)
    for _ in range(5):
        speaker.publish(strange)
    speaker.say("red", 5)
    states.wait(3)
    assert told(states) == [
        ("colour", phrase("red"), FIRST),
        ("colour", "", CHANGE),
        ("colour", phrase("red"), CHANGE),
    ]
    assert states[0].cosine > 0.9 and states[1].cosine == pytest.approx(0.43, abs=0.03)
    assert states[1].previous_text == phrase("red")
    segments.wait(2)
    assert [it.text for it in segments] == [phrase("red"), ""]
    assert segments[0].cosine > 0.9 and segments[1].cosine < 0.7
    assert not ros.set_parameters("describer", min_similarity=1.5).successful


def test_the_clip_tells_of_a_cut_over_the_topic(
    speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    last = speaker.say("red", 3)[-1]
    speaker.next_ns += 20 * PERIOD
    cut = speaker.publish(meaning("red"), window_start_ns=last + 10 * PERIOD)
    again = states.wait(2)[1]
    assert (again.reason, to_ns(again.since)) == (FIRST, cut)
    assert to_ns(segments.wait(1)[0].end) == last
