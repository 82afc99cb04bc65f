# SPDX-License-Identifier: Apache-2.0
"""What the model does not know is said over real DDS: in every message, and without a claim."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from support.colour_bundle import add_knowledge, colour_frame, phrase
from support.film import Film
from support.ros import Bench, Inbox
from support.speaker import COUNTING, Speaker
from vljepa_msgs.msg import Embedding, ModelInfo, StateDescription, States
from vljepa_msgs.srv import Ask, Describe
from vljepa_ros.nodes.common.complaints import COVERED, UNFAMILIAR
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

STRANGE = {"unfamiliarity": 1.0}
FAMILIAR = {"unfamiliarity": 0.5}
QUICK = {"unfamiliar_after_s": 0.3, "familiar_after_s": 0.2, **COUNTING}


@pytest.fixture
def speaker(ros: Bench, bundle: str, states: Inbox, segments: Inbox) -> Speaker:
    describer = ros.add(Describer, bundle=bundle, **QUICK)
    ros.wait_heard(describer, "/describer/segment")
    return Speaker(ros, describer)


def told(states: Inbox) -> list[tuple[str, int]]:
    return [(state.text, state.reason) for state in states]


def test_nothing_is_claimed_about_an_unfamiliar_scene(
    ros: Bench, speaker: Speaker, states: Inbox, segments: Inbox
) -> None:
    reports = ros.diagnostics("describer")
    red = speaker.say("red", 5, **FAMILIAR)
    strange = speaker.say("blue", 8, **STRANGE)
    unfamiliar = states.wait(2)[1]
    assert (unfamiliar.reason, unfamiliar.text) == (StateDescription.UNFAMILIAR, "")
    assert unfamiliar.previous_text == phrase("red")
    assert to_ns(unfamiliar.since) == strange[0]
    assert to_ns(unfamiliar.header.stamp) == strange[3]
    assert (unfamiliar.score, unfamiliar.share, unfamiliar.unfamiliarity) == (0.0, 0.0, 1.0)
    assert math.isnan(unfamiliar.cosine)
    report = reports.wait_for(lambda r: "unfamiliar" in r.message, "the warning")
    assert report.level == Level.WARN.value
    assert report.message.startswith("the scene has been unfamiliar for ")
    assert report.message.endswith(UNFAMILIAR.remedy)
    late = ros.inbox(States, "describer/states", latched(1)).wait(1)[0]
    assert [one.reason for one in late.states] == [StateDescription.UNFAMILIAR]
    asked = ros.call(Describe, "describer/describe", query="colour")
    assert asked.success and (asked.state.text, asked.state.unfamiliarity) == ("", 1.0)
    assert asked.state.reason == StateDescription.FORCED
    green = speaker.say("green", 5, **FAMILIAR)
    back = states.wait(4)[3]
    assert (back.reason, back.text) == (StateDescription.FIRST, phrase("green"))
    assert (back.previous_text, to_ns(back.since)) == ("", green[0])
    assert back.unfamiliarity == pytest.approx(0.5)
    assert ros.transition("describer", "deactivate")
    segments.wait(2)
    assert [(it.text, to_ns(it.start), to_ns(it.end), it.unfamiliarity) for it in segments] == [
        (phrase("red"), red[0], strange[0], 0.5),
        (phrase("green"), green[0], green[-1], 0.5),
    ]


def test_an_unfamiliar_scene_that_ends_is_lost(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    speaker.say("red", 8, image_fault=Embedding.UNDEREXPOSED)
    states.wait(1)
    assert states[0].image_fault == Embedding.UNDEREXPOSED
    assert ros.transition("describer", "deactivate")
    states.wait(2)
    assert told(states) == [("", StateDescription.UNFAMILIAR), ("", StateDescription.LOST)]


def test_words_are_marked_or_spoken_if_that_is_set(
    ros: Bench, speaker: Speaker, states: Inbox
) -> None:
    assert ros.set_parameters("describer", when_unfamiliar="mark").successful
    speaker.say("red", 5, **FAMILIAR)
    speaker.say("blue", 5, **STRANGE)
    speaker.say("green", 3, **STRANGE)
    states.wait(3)
    assert told(states)[1:] == [
        (phrase("blue"), StateDescription.UNFAMILIAR),
        (phrase("green"), StateDescription.UNFAMILIAR),
    ]
    assert [state.previous_text for state in states] == ["", phrase("red"), phrase("blue")]
    assert ros.set_parameters("describer", when_unfamiliar="speak").successful
    speaker.say("red", 3, **STRANGE)
    spoken = states.wait(4)[3]
    assert (spoken.reason, spoken.text) == (StateDescription.FIRST, phrase("red"))
    assert spoken.unfamiliarity == 1.0
    assert not ros.set_parameters("describer", when_unfamiliar="shout").successful


def test_the_threshold_is_live(ros: Bench, speaker: Speaker, states: Inbox) -> None:
    assert ros.set_parameters("describer", unfamiliar_threshold=1.0).successful
    speaker.say("red", 8, **STRANGE)
    assert ros.set_parameters("describer", unfamiliar_threshold=0.4).successful
    speaker.say("red", 8, **FAMILIAR)
    states.wait(2)
    assert [state.reason for state in states] == [
        StateDescription.FIRST,
        StateDescription.UNFAMILIAR,
    ]


@pytest.fixture
def knowing_bundle(colour_bundle: Path, tmp_path: Path) -> str:
    return str(add_knowledge(Path(shutil.copytree(colour_bundle, tmp_path / "knowing"))).root)


def test_every_message_says_how_strange_the_clip_is(
    ros: Bench, knowing_bundle: str, states: Inbox
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    ros.add(Embedder, bundle=knowing_bundle, queries=["colour"])
    ros.add(Describer, bundle=knowing_bundle, **QUICK)
    film = Film(ros.camera().wait_matched(), embeddings)
    (info,) = infos.wait(1)
    assert info.has_statistics and info.has_calibration
    film.roll("red")
    film.show("red", 3)
    assert embeddings[-1].unfamiliarity < 0.99
    first = states.wait(1)[0]
    assert first.text == phrase("red")
    assert first.score == pytest.approx(first.share / 2, abs=0.01)
    film.show("blue", 12)
    assert embeddings[-1].unfamiliarity == 1.0
    answer = ros.call(Ask, "embedder/ask", question="What is it?", answers=["a", "b"])
    assert (answer.success, answer.unfamiliarity, answer.image_fault) == (True, 1.0, 0)
    states.wait(2)
    assert told(states)[-1] == ("", StateDescription.UNFAMILIAR)


def test_a_covered_lens_is_told_without_statistics(ros: Bench, bundle: str) -> None:
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    reports = ros.diagnostics("embedder")
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    film = Film(ros.camera().wait_matched(), embeddings, picture=colour_frame)
    film.roll("red")
    film.show("red", 15)
    assert not (infos[0].has_statistics or infos[0].has_calibration)
    assert embeddings[-1].image_fault == Embedding.COVERED
    assert math.isnan(embeddings[-1].unfamiliarity)
    answer = ros.call(Ask, "embedder/ask", question="What is it?", answers=["a", "b"])
    assert answer.image_fault == Embedding.COVERED and math.isnan(answer.unfamiliarity)
    report = reports.wait_for(lambda r: "covered" in r.message, "the warning")
    assert report.level == Level.WARN.value
    assert COVERED.why in report.message
