# SPDX-License-Identifier: Apache-2.0
"""Phrases taught at run time: the describer, and the embedder that it asks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.task import Future

from support.colour_bundle import add_text_decoder, build_bare_bundle, phrase
from support.ros import DEADLINE_S, Bench
from support.speaker import COUNTING, SPACE, Speaker, meaning
from vljepa_msgs.msg import StateDescription
from vljepa_msgs.srv import AddPhrases, Describe, EmbedText
from vljepa_ros.nodes.common.conversions import to_floats
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.phrase_services import MAX_PHRASES
from vljepa_ros.stream.vectors import unit

CYAN = unit(meaning("green") + meaning("blue"))
CYANS = "green blue"  # what the colour bundle puts at CYAN, nearly


@pytest.fixture
def describer(ros: Bench, bundle: str) -> Describer:
    return ros.add(Describer, bundle=bundle, **COUNTING)


@pytest.fixture
def embedder(ros: Bench, bundle: str) -> Embedder:
    embedder = ros.add(Embedder, bundle=bundle)
    ros.wait(lambda: embedder.phase.value == "active", "the embedder is active")
    return embedder


@pytest.fixture
def speaker(ros: Bench, describer: Describer) -> Speaker:
    speaker = Speaker(ros, describer)
    speaker.publish(CYAN)
    return speaker


def add(ros: Bench, *texts: str, query: str = "colour") -> Any:
    return ros.call(AddPhrases, "describer/add_phrases", query=query, texts=list(texts))


def seen(ros: Bench) -> str:
    """What the describer says that the newest embedding shows."""
    return str(ros.call(Describe, "describer/describe", query="colour").state.text)


def wait_for_embedder(ros: Bench, describer: Describer) -> None:
    """Wait until the describer has found the embedder's service."""
    (client,) = describer.clients
    ros.wait(client.service_is_ready, "the describer has found the embedder")


def stand_in(
    ros: Bench, describer: Describer, answer: Callable[[Any, Any], Any], **options: Any
) -> None:
    """Offer the embedder's service in the test's own node."""
    ros.node.create_service(EmbedText, "embedder/embed_text", answer, **options)
    wait_for_embedder(ros, describer)


@pytest.mark.usefixtures("embedder")
def test_a_phrase_that_was_taught_is_said_from_then_on(
    ros: Bench, describer: Describer, speaker: Speaker
) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    wait_for_embedder(ros, describer)
    assert seen(ros) in (phrase("green"), phrase("blue"))
    answer = add(ros, CYANS, "red\n yellow")
    assert (answer.success, answer.message) == (True, "")
    assert seen(ros) == CYANS
    speaker.say("red", 3)
    for _ in range(3):
        speaker.publish(CYAN)
    states.wait_for(
        lambda s: (s.reason, s.text) == (StateDescription.CHANGE, CYANS), "the new phrase"
    )


@pytest.mark.usefixtures("embedder", "speaker")
def test_phrases_stay_until_cleanup(ros: Bench, describer: Describer) -> None:
    wait_for_embedder(ros, describer)
    assert add(ros, CYANS).success
    for label in ("deactivate", "activate"):
        assert ros.transition("describer", label)
    Speaker(ros, describer).publish(CYAN)
    assert seen(ros) == CYANS
    for label in ("deactivate", "cleanup", "configure", "activate"):
        assert ros.transition("describer", label)
    Speaker(ros, describer).publish(CYAN)
    assert seen(ros) != CYANS


@pytest.mark.usefixtures("embedder", "speaker")
@pytest.mark.parametrize(
    ("query", "texts", "complaint"),
    [
        ("colour", [], "0 phrases"),
        ("colour", ["red"] * (MAX_PHRASES + 1), "65 phrases"),
        ("colour", [CYANS, " \n"], "a phrase of query 'colour' is empty"),
        ("colour", [CYANS, "x" * 1000], "longer than 200"),
        ("", [CYANS], "a query has no name"),
        ("q" * 1000, [CYANS], "longer than 64"),
    ],
)
def test_bad_phrases_are_refused_and_none_is_added(
    ros: Bench, describer: Describer, query: str, texts: list[str], complaint: str
) -> None:
    wait_for_embedder(ros, describer)
    answer = add(ros, *texts, query=query)
    assert not answer.success and complaint in answer.message
    assert seen(ros) != CYANS
    assert describer.tally["service requests refused"] == 1


@pytest.mark.usefixtures("speaker")
def test_without_an_embedder_phrases_are_refused(ros: Bench) -> None:
    answer = add(ros, CYANS)
    assert not answer.success
    assert "/embedder/embed_text is not there" in answer.message


@pytest.mark.usefixtures("speaker")
def test_an_embedder_without_a_text_encoder_is_named(
    ros: Bench, describer: Describer, tmp_path: Path
) -> None:
    ros.add(Embedder, bundle=str(build_bare_bundle(tmp_path / "bare")))
    wait_for_embedder(ros, describer)
    ros.wait(lambda: "no text encoder" in add(ros, CYANS).message, "the embedder's reason")


@pytest.mark.usefixtures("speaker")
@pytest.mark.parametrize(
    ("flaw", "complaint"),
    [
        ({"space_id": "other-model-7"}, "other-model-7"),
        ({"success": False, "message": "out of paper"}, "out of paper"),
        ({"data": to_floats(CYAN[:-1])}, "embedding of shape"),
        ({"data": to_floats(0 * CYAN)}, "not zero"),
    ],
    ids=["space", "refusal", "dimension", "zero"],
)
def test_what_the_embedder_gets_wrong_is_said_and_nothing_is_added(
    ros: Bench, describer: Describer, flaw: dict[str, Any], complaint: str
) -> None:
    def answer(request: EmbedText.Request, response: EmbedText.Response) -> EmbedText.Response:
        fields = {"success": True, "space_id": SPACE, "data": to_floats(CYAN)}
        if request.text == "second":
            fields |= flaw
        for name, value in fields.items():
            setattr(response, name, value)
        return response

    stand_in(ros, describer, answer)
    refused = add(ros, "first", "second")
    assert not refused.success and complaint in refused.message
    assert seen(ros) != "first"
    assert add(ros, "first").success
    assert seen(ros) == "first"


def test_an_embedder_that_does_not_answer_holds_up_nothing(
    ros: Bench, describer: Describer, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence = Future()

    async def answer(_: EmbedText.Request, response: EmbedText.Response) -> EmbedText.Response:
        await silence
        return response

    monkeypatch.setattr("vljepa_ros.nodes.text_client.DEADLINE_S", 1.0)
    stand_in(ros, describer, answer, callback_group=MutuallyExclusiveCallbackGroup())
    refused: list[Any] = []
    caller = threading.Thread(target=lambda: refused.append(add(ros, CYANS)))
    caller.start()
    speaker.say("red", 3)
    assert seen(ros) == phrase("red")
    caller.join(DEADLINE_S)
    silence.set_result(None)
    (answered,) = refused
    assert not answered.success and "has not answered for 1 s" in answered.message


def test_phrases_for_a_bank_that_is_gone_are_refused(ros: Bench, describer: Describer) -> None:
    asked, silence = threading.Event(), Future()

    async def answer(_: EmbedText.Request, response: EmbedText.Response) -> EmbedText.Response:
        asked.set()
        await silence
        response.success, response.space_id, response.data = True, SPACE, to_floats(CYAN)
        return response

    stand_in(ros, describer, answer, callback_group=MutuallyExclusiveCallbackGroup())
    ros.wait(lambda: describer.phase.value == "active", "it is active")
    refused: list[Any] = []
    caller = threading.Thread(target=lambda: refused.append(add(ros, CYANS)))
    caller.start()
    assert asked.wait(DEADLINE_S)
    for label in ("deactivate", "cleanup", "configure"):
        assert ros.transition("describer", label)
    silence.set_result(None)
    caller.join(DEADLINE_S)
    (answered,) = refused
    assert not answered.success and "cleaned up meanwhile" in answered.message


def test_a_node_that_is_not_configured_takes_no_phrases(ros: Bench, bundle: str) -> None:
    ros.add(Describer, bundle=bundle, autostart=False)
    answer = add(ros, CYANS)
    assert not answer.success and "not configured" in answer.message


def test_a_decoder_that_speaks_sentences_takes_no_phrases(
    ros: Bench, colour_bundle: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(colour_bundle, tmp_path / "speaking"))
    add_text_decoder(bundle)
    describer = ros.add(Describer, bundle=str(bundle), decoder="sentences")
    ros.wait(lambda: describer.phase.value == "active", "it is active")
    answer = add(ros, CYANS)
    assert not answer.success and "'sentences'" in answer.message
