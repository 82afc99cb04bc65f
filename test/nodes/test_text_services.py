# SPDX-License-Identifier: Apache-2.0
"""The embedder's services: new queries, text embeddings, questions, and what they refuse."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters

from support.colour_bundle import COLOURS, DIMENSION, QUERIES, build_bare_bundle, phrase
from support.film import Film
from support.gated_backend import Gate
from support.ros import DEADLINE_S, Bench, Inbox
from vljepa_msgs.msg import ModelInfo, Query
from vljepa_msgs.srv import Ask, EmbedText, SetQueries
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.qos import latched, services
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.text_services import MAX_ANSWERS
from vljepa_ros.runtime.model import VLJepa


def set_queries(ros: Bench, *queries: tuple[str, str]) -> Any:
    wanted = [Query(name=name, text=text) for name, text in queries]
    return ros.call(SetQueries, "embedder/set_queries", queries=wanted)


def ask(ros: Bench, question: str, answers: list[str]) -> Any:
    return ros.call(Ask, "embedder/ask", question=question, answers=answers)


def test_new_queries_are_answered_and_announced(ros: Bench, embeddings: Inbox, film: Film) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    film.roll("red")
    answer = set_queries(ros, ("brightness", ""), ("own", "What colour is\nthe scene?"))
    assert (answer.success, answer.message) == (True, "")
    before = len(embeddings)
    film.show("red", 1)
    embeddings.wait(before + 2)
    assert [e.query for e in embeddings[before:]] == ["brightness", "own"]
    texts = {"brightness": QUERIES["brightness"], "own": "What colour is the scene?"}
    infos.wait_for(lambda i: {q.name: q.text for q in i.queries} == texts, "the new queries")

    (value,) = ros.call(GetParameters, "embedder/get_parameters", names=["queries"]).values
    assert list(value.string_array_value) == ["brightness", "own: What colour is the scene?"]


@pytest.mark.parametrize(
    ("queries", "complaint"),
    [
        ([], "must not be empty"),
        ([("", "Why?")], "no name"),
        ([("weather", "")], "no query 'weather'"),
        ([("own", " \n\x07")], "no text"),
        ([("own", "x" * 10_000)], "longer"),
        ([("n" * 10_000, "Why?")], "longer"),
        ([("a:b", "Why?")], "must not contain"),
        ([("own", "Why?"), ("own", "How?")], "twice"),
        ([(f"q{n}", "Why?") for n in range(65)], "65 queries; there may be 64"),
    ],
)
def test_bad_queries_are_refused_and_the_old_ones_stay(
    ros: Bench, embedder: Embedder, film: Film, queries: list[Any], complaint: str
) -> None:
    film.roll("red")
    answer = set_queries(ros, *queries)
    assert not answer.success
    assert complaint in answer.message
    film.show("red", 1)
    assert embedder.parameters["queries"] == ["colour"]


def test_a_text_lands_where_the_model_puts_it(ros: Bench, bundle: str, film: Film) -> None:
    film.roll("red")
    for text in (phrase("red"), "the scene\tis \x07 red", "🙂" * 50, "red " * 3000):
        answer = ros.call(EmbedText, "embedder/embed_text", text=text)
        assert (answer.success, answer.message, answer.space_id) == (True, "", "colour-1")
        np.testing.assert_array_equal(answer.data, VLJepa.load(bundle).embed_text(text))
        assert len(answer.data) == DIMENSION


def test_an_empty_text_is_refused(ros: Bench, film: Film) -> None:
    film.roll("red")
    answer = ros.call(EmbedText, "embedder/embed_text", text=" \n")
    assert not answer.success and "empty" in answer.message and len(answer.data) == 0


def test_a_question_is_answered_about_the_newest_clip(ros: Bench, film: Film) -> None:
    film.roll("red")
    stamp = film.show("green", 3)[-1]
    answers = [phrase(colour) for colour in COLOURS]
    answer = ask(ros, "What colour is the scene?", answers)
    assert answer.success, answer.message
    assert answers[answer.best] == phrase("green")
    assert sum(answer.scores) == pytest.approx(1.0, abs=1e-5)
    assert answer.scores[answer.best] == max(answer.scores)
    assert to_ns(answer.stamp) == stamp


def test_the_cosine_of_an_answer_does_not_depend_on_the_others(ros: Bench, film: Film) -> None:
    """So a threshold can tell that none of the answers is right."""
    film.roll("red")
    film.show("green", 3)
    question = "What colour is the scene?"
    among_many = ask(ros, question, [phrase("red"), phrase("green")])
    alone = ask(ros, question, [phrase("red")])
    assert list(alone.scores) == [1.0]
    assert alone.cosines[0] == pytest.approx(among_many.cosines[0], abs=1e-6)
    assert among_many.cosines[1] > 0.9 and alone.cosines[0] < 0.2


@pytest.mark.parametrize(
    ("question", "answers", "complaint"),
    [
        ("", ["red"], "empty"),
        ("What colour?", [], "0 answers"),
        ("What colour?", ["red", ""], "empty"),
        ("What colour?", ["red"] * (MAX_ANSWERS + 1), "65 answers"),
        ("What colour?", ["red", "very " * 40 + "red"], "the answer 'very very very"),
        ("Why? " * 50, ["red"], "is longer than 200 characters"),
    ],
)
def test_a_bad_question_is_refused(
    ros: Bench, film: Film, question: str, answers: list[str], complaint: str
) -> None:
    film.roll("red")
    answer = ask(ros, question, answers)
    assert not answer.success and complaint in answer.message
    film.show("red", 1)


def test_a_question_before_the_first_clip_and_after_the_last_is_refused(
    ros: Bench, film: Film
) -> None:
    answers = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    answers.wait(1)  # it is active
    assert "no clip" in ask(ros, "What colour?", ["red"]).message
    film.roll("red")
    assert ask(ros, "What colour?", ["red"]).success
    assert ros.transition("embedder", "deactivate")
    assert "no clip" in ask(ros, "What colour?", ["red"]).message


def test_without_a_model_every_service_says_so(ros: Bench, bundle: str) -> None:
    ros.add(Embedder, bundle=bundle, autostart=False)
    for answer in (
        ask(ros, "What colour?", ["red"]),
        ros.call(EmbedText, "embedder/embed_text", text="red"),
        set_queries(ros, ("colour", "")),
    ):
        assert not answer.success and "not configured" in answer.message


def test_a_bundle_without_a_text_encoder_embeds_frames_and_refuses_texts(
    ros: Bench, embeddings: Inbox, tmp_path: Path
) -> None:
    bare = str(build_bare_bundle(tmp_path / "bare"))
    ros.add(Embedder, bundle=bare, queries=["colour"])
    film = Film(ros.camera().wait_matched(), embeddings)
    film.roll("green")
    assert VLJepa.load(bare).describe("colour", embeddings[-1].data).text == phrase("green")
    refused = ros.call(EmbedText, "embedder/embed_text", text="red")
    assert not refused.success and "no text encoder" in refused.message
    refused = ask(ros, QUERIES["colour"], ["red", "green"])
    assert not refused.success and "no text encoder" in refused.message
    for refused in (
        ask(ros, "Is it red?", ["red", "green"]),
        set_queries(ros, ("own", "Is it red?")),
    ):
        assert not refused.success and "no tokens for the query 'Is it red?'" in refused.message
    film.show("green", 1)


@pytest.mark.parametrize(
    "request_for",
    [
        lambda ros: ask(ros, "What colour?", ["red"]),
        lambda ros: ros.call(EmbedText, "embedder/embed_text", text="red"),
    ],
    ids=["ask", "embed_text"],
)
def test_a_request_that_waits_for_the_model_does_not_hold_up_the_images(
    ros: Bench,
    gate: Gate,
    embedder: Embedder,
    film: Film,
    request_for: Callable[[Bench], Any],
) -> None:
    film.roll("red")
    gate.close()
    film.shoot("red")
    assert gate.reached.wait(20.0)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(request_for(ros)))
    asking.start()
    replaced = embedder.tally["frames replaced by newer ones"]
    film.shoot("red")
    for _ in range(3):  # one of them waits, the others replace it
        film.shoot("red")
    ros.wait(
        lambda: embedder.tally["frames replaced by newer ones"] > replaced, "images are taken"
    )
    assert not answers
    gate.open()
    asking.join(20.0)
    assert answers[0].success


def test_a_question_that_waits_is_answered_when_the_node_is_cleaned_up(
    ros: Bench, gate: Gate, film: Film
) -> None:
    film.roll("red")
    gate.close()
    film.shoot("red")
    assert gate.reached.wait(20.0)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(ask(ros, "What colour?", ["red"])))
    asking.start()
    assert ros.transition("embedder", "deactivate")
    assert ros.transition("embedder", "cleanup")
    asking.join(20.0)
    # It depends on which came first, the question or the end.
    assert answers[0].message in ("the node has stopped", "the node is not configured")


def test_many_requests_at_once_are_all_answered(ros: Bench, embedder: Embedder) -> None:
    """ROS' own profile keeps ten of them."""
    count = 300
    answered = threading.Semaphore(0)
    client = ros.node.create_client(EmbedText, "embedder/embed_text", qos_profile=services())
    assert client.wait_for_service(DEADLINE_S)
    ros.wait(lambda: embedder.phase is Phase.ACTIVE, "it is active")
    futures = [client.call_async(EmbedText.Request(text=f"red {n}")) for n in range(count)]
    for future in futures:
        future.add_done_callback(lambda _: answered.release())
    for number in range(count):
        assert answered.acquire(timeout=DEADLINE_S), f"{number} of {count} answered"
    assert all(future.result().success for future in futures)
