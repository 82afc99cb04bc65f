# SPDX-License-Identifier: Apache-2.0
"""One describer for several cameras: topics, states and complaints of each."""

from __future__ import annotations

from typing import Any

import pytest

from support.colour_bundle import phrase
from support.film import Film
from support.ros import Bench, Inbox
from support.speaker import COUNTING, SPACE, Speaker
from vljepa_msgs.msg import Embedding, ModelInfo, Query, Segment, StateDescription, States
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.camera_names import MAX_CAMERAS, camera_names
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

CAMERAS = ("left", "right")


@pytest.fixture
def states(ros: Bench) -> dict[str, Inbox]:
    return {
        name: ros.inbox(StateDescription, f"describer/{name}/state", latched(10))
        for name in CAMERAS
    }


@pytest.fixture
def segments(ros: Bench) -> dict[str, Inbox]:
    return {
        name: ros.inbox(Segment, f"describer/{name}/segment", reliable(100)) for name in CAMERAS
    }


@pytest.fixture
def describer(ros: Bench, bundle: str) -> Describer:
    return ros.add(Describer, bundle=bundle, cameras=list(CAMERAS), **COUNTING)


@pytest.fixture
def left(ros: Bench, describer: Describer) -> Speaker:
    return Speaker(ros, describer, "left")


@pytest.fixture
def right(ros: Bench, describer: Describer) -> Speaker:
    return Speaker(ros, describer, "right")


def describe(ros: Bench, camera: str = "", query: str = "colour") -> Any:
    return ros.call(Describe, "describer/describe", query=query, camera=camera)


def test_each_camera_has_states_and_segments_of_its_own(
    ros: Bench,
    left: Speaker,
    right: Speaker,
    states: dict[str, Inbox],
    segments: dict[str, Inbox],
) -> None:
    for _ in range(3):  # by turns, as an embedder publishes them
        left.say("red", 1)
        right.say("green", 1)
    for _ in range(3):
        left.say("red", 1)
        right.say("blue", 1)
    states["right"].wait(2)
    assert ros.transition("describer", "deactivate")
    segments["left"].wait(1)
    segments["right"].wait(2)
    states["left"].wait(2)
    states["right"].wait(3)
    for camera, last in (("left", "red"), ("right", "blue")):
        (late,) = ros.inbox(States, f"describer/{camera}/states", latched(1)).wait(1)
        assert [it.previous_text for it in late.states] == [phrase(last)]
    assert [state.text for state in states["left"]] == [phrase("red"), ""]
    assert [(s.text, s.previous_text, s.seq) for s in states["right"]] == [
        (phrase("green"), "", 0),
        (phrase("blue"), phrase("green"), 1),
        ("", phrase("blue"), 2),  # deactivated
    ]
    assert [(it.text, it.samples) for it in segments["left"]] == [(phrase("red"), 6)]
    assert [(it.text, it.samples, it.seq) for it in segments["right"]] == [
        (phrase("green"), 3, 0),
        (phrase("blue"), 3, 1),
    ]


def test_one_camera_is_described_on_request(ros: Bench, left: Speaker, right: Speaker) -> None:
    left.say("red", 2)
    newest = right.say("green", 5)[-1]
    answer = describe(ros, "right")
    assert (answer.success, answer.state.text) == (True, phrase("green"))
    assert to_ns(answer.state.header.stamp) == newest
    assert describe(ros, "left").state.text == phrase("red")
    for camera in ("", "rear"):
        refused = describe(ros, camera)
        assert not refused.success and "left, right" in refused.message


def test_a_single_camera_needs_no_name_and_a_nameless_one_has_none(
    ros: Bench, bundle: str
) -> None:
    describer = ros.add(Describer, bundle=bundle, cameras=["left"])
    Speaker(ros, describer, "left").say("red", 1)
    assert describe(ros).success and describe(ros, "left").success
    for label in ("deactivate", "cleanup"):
        assert ros.transition("describer", label)
    assert ros.set_parameters("describer", cameras=[""]).successful
    for label in ("configure", "activate"):
        assert ros.transition("describer", label)
    Speaker(ros, describer).say("red", 1)
    assert describe(ros).success
    assert "has no name" in describe(ros, "left").message


def test_two_cameras_are_seen_and_described_apart(
    ros: Bench, bundle: str, describer: Describer, states: dict[str, Inbox]
) -> None:
    ros.add(Embedder, bundle=bundle, queries=["colour"], cameras=list(CAMERAS))
    films = {
        name: Film(
            ros.camera(f"{name}/image_raw").wait_matched(),
            ros.inbox(Embedding, f"embedder/{name}/embedding"),
            frame_id=name,
        )
        for name in CAMERAS
    }
    films["left"].roll("red")
    films["right"].roll("green")
    films["left"].show("blue", 5)
    states["left"].wait(2)
    states["right"].wait(1)
    assert [state.text for state in states["left"]] == [phrase("red"), phrase("blue")]
    assert [state.text for state in states["right"]] == [phrase("green")]
    for name in CAMERAS:
        assert {state.header.frame_id for state in states[name]} == {name}


def test_what_goes_wrong_is_counted_under_the_cameras_name(
    describer: Describer, left: Speaker, right: Speaker
) -> None:
    left.say("red", 1)
    right.say("red", 2, space_id="other-model-7")
    assert describer.tally["right: embeddings of another space"] == 2
    assert describer.tally["left: embeddings of another space"] == 0


def test_queries_are_followed_for_every_camera(
    ros: Bench, left: Speaker, right: Speaker, states: dict[str, Inbox]
) -> None:
    infos = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))
    for speaker in (left, right):
        speaker.say("dark", 1, "brightness")
    infos.publish(ModelInfo(space_id=SPACE, queries=[Query(name="colour", text="Which?")]))
    for camera in CAMERAS:
        assert states[camera].wait(2)[1].reason == StateDescription.LOST
        assert not describe(ros, camera, "brightness").success


def test_a_silent_camera_is_named(
    ros: Bench, describer: Describer, left: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = ros.diagnostics("describer")
    left.say("red", 1)
    monkeypatch.setattr("vljepa_ros.nodes.common.listener.SILENCE_S", 0.0)
    report = reports.wait_for(lambda r: r.level == Level.STALE.value, "silence of both")
    assert "left: no message" in report.message and "right: no message" in report.message
    assert "/embedder/right/embedding has no publisher" in report.message
    assert report.values["left: topic"] == "/embedder/left/embedding"
    assert report.values["left: state of colour"] == phrase("red")

    monkeypatch.setattr("vljepa_ros.nodes.common.listener.SILENCE_S", 5.0)
    describer._worker.cameras["right"].listener._heard_s -= 10.0  # as if that had passed
    report = reports.wait_for(lambda r: r.level == Level.WARN.value, "silence of one")
    assert report.message.startswith("right: no message") and "left" not in report.message


def test_names_that_cannot_be_topics_are_refused(ros: Bench, bundle: str) -> None:
    describer = ros.add(Describer, bundle=bundle, cameras=["left", "a/b"])
    reports = ros.diagnostics("describer")
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert "'a/b' cannot be the name of a camera" in report.message
    result = ros.set_parameters("describer", cameras=["left", "left"])
    assert not result.successful and "named twice" in result.reason
    assert ros.set_parameters("describer", cameras=["left", "right"]).successful
    assert ros.transition("describer", "configure")
    result = ros.set_parameters("describer", cameras=["left"])
    assert not result.successful and "not configured" in result.reason
    assert describer.parameters["cameras"] == ["left", "right"]


@pytest.mark.parametrize(
    "name", ["1st", "_hidden", "a__b", "end_", "a b", "~", "a/b", "é", "x" * 65, "left\n"]
)
def test_a_name_is_a_token_of_ros(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a camera"):
        camera_names(["front", name])


def test_names_keep_their_order_and_without_one_there_is_one_camera() -> None:
    assert camera_names([""]) == camera_names([]) == ("",)
    assert camera_names(["wrist_2", "Left"]) == ("wrist_2", "Left")
    with pytest.raises(ValueError, match="17 cameras"):
        camera_names([f"c{n}" for n in range(MAX_CAMERAS + 1)])
