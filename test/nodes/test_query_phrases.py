# SPDX-License-Identifier: Apache-2.0
"""Queries are answered with their own phrases: those that came with them, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future

from support.colour_bundle import COLOURS, LEVELS, QUERIES, phrase
from support.film import Film
from support.ros import Bench, Inbox
from support.speaker import COUNTING, SPACE, Speaker, meaning
from vljepa_msgs.msg import Embedding, ModelInfo, Query, Segment, StateDescription
from vljepa_msgs.srv import Describe, EmbedText, ListPhrases, RemovePhrases, SetQueries
from vljepa_ros.nodes.common.conversions import to_floats
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.diagnostic_keys import UNANSWERED
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.phrases import MAX_ADDED, MAX_ADDED_PER_QUERY

QUESTION = QUERIES["colour"]  # asked under another name
TINTS = ("red", "green", "blue")
FILE = f"""
brightness:
tint:
  text: "{QUESTION}"
  phrases: [{", ".join(TINTS)}]
"""
RESTART = ("deactivate", "cleanup", "configure", "activate")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.query_phrases.RETRY_S", 0.05)


@pytest.fixture
def describer(ros: Bench, bundle: str) -> Describer:
    return ros.add(Describer, bundle=bundle, **COUNTING)


class Pair:
    """An embedder and a describer before a camera."""

    def __init__(self, ros: Bench, bundle: str, **parameters: Any) -> None:
        self._ros = ros
        self._embeddings = ros.inbox(Embedding, "embedder/embedding", 200)
        self.embedder = ros.add(Embedder, bundle=bundle, **parameters)
        self.describer = ros.add(Describer, bundle=bundle, **COUNTING)
        self.roll()

    def roll(self) -> None:
        """Wait until the nodes run and know each other."""
        # A subscription that was destroyed counts for a moment.
        for node in (self.embedder, self.describer):
            self._ros.wait(lambda node=node: node.phase.value == "active", "it is active")
        self._ros.wait(
            lambda: self.describer.count_publishers("/embedder/embedding") == 1, "they match"
        )
        self._embeddings.clear()  # a film waits for stamps that may be there from the one before
        self.film = Film(self._ros.camera().wait_matched(), self._embeddings)
        self.film.roll("white")

    def wait_for_phrases(self, query: str, *texts: str) -> None:
        """Wait until the describer has exactly these phrases of a query."""
        self._ros.wait(lambda: phrases_of(self.describer, query) == texts, f"phrases {texts}")


def phrases_of(describer: Describer, query: str) -> tuple[str, ...]:
    phrases = describer._phrases
    return phrases.texts.get(query, ()) if phrases else ()


def unanswered(describer: Describer) -> list[str]:
    phrases = describer._phrases
    return phrases.unanswered if phrases else []


def words(states: Inbox, query: str) -> list[str]:
    return [state.text for state in states if state.query == query]


def set_queries(ros: Bench, *queries: Query) -> Any:
    return ros.call(SetQueries, "embedder/set_queries", queries=list(queries))


def tint(*texts: str) -> Query:
    return Query(name="tint", text=QUESTION, phrases=list(texts))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "queries.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def test_a_query_of_the_file_is_answered_with_its_phrases_after_every_start(
    ros: Bench, bundle: str, file: str, states: Inbox
) -> None:
    pair = Pair(ros, bundle, queries_file=file)
    for _ in range(2):
        pair.wait_for_phrases("tint", *TINTS)
        states.clear()
        pair.film.show("blue", 6)
        states.wait_for(lambda s: (s.query, s.text) == ("tint", "blue"), "the query's phrase")
        pair.film.show("red", 6)
        states.wait_for(lambda s: (s.query, s.text) == ("tint", "red"), "the other phrase")
        assert set(words(states, "tint")) <= set(TINTS)
        assert set(words(states, "brightness")) <= set(map(phrase, LEVELS))
        for node in ("embedder", "describer"):
            for label in RESTART:
                assert ros.transition(node, label)
        pair.roll()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["*"], {"brightness": (), "tint": TINTS}),
        (["tint", "colour"], {"tint": TINTS, "colour": ()}),
        (["tint: Is it dark?"], {"tint": ()}),
    ],
)
def test_queries_picks_from_the_file_and_adds(
    ros: Bench, bundle: str, file: str, entries: list[str], expected: dict[str, Any]
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    ros.add(Embedder, bundle=bundle, queries_file=file, queries=entries)
    (info,) = infos.wait(1)
    assert {query.name: tuple(query.phrases) for query in info.queries} == expected


def test_set_queries_picks_from_the_file_by_name(ros: Bench, bundle: str, file: str) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    embedder = ros.add(Embedder, bundle=bundle, queries_file=file)
    infos.wait(1)
    assert set_queries(ros, Query(name="tint"), Query(name="colour", phrases=["orange"])).success
    assert embedder.parameters["queries"] == ["tint", "colour"]
    (tinted, coloured) = infos.wait(2)[1].queries
    assert (tinted.text, tuple(tinted.phrases)) == (QUESTION, TINTS)
    assert (coloured.text, list(coloured.phrases)) == (QUERIES["colour"], ["orange"])


def test_a_file_that_cannot_be_used_is_named(ros: Bench, bundle: str, tmp_path: Path) -> None:
    path = tmp_path / "queries.yaml"
    path.write_text("grip: {phrases: [a]}", encoding="utf-8")
    reports = ros.diagnostics("embedder")
    ros.add(Embedder, bundle=bundle, queries_file=str(path))
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert f"queries_file {path}" in report.message and "no query 'grip'" in report.message


def test_phrases_come_and_go_with_a_query(ros: Bench, bundle: str, states: Inbox) -> None:
    pair = Pair(ros, bundle)
    segments = ros.inbox(Segment, "describer/segment", 100)
    assert set_queries(ros, tint("red", "green", "a\n red")).success
    pair.wait_for_phrases("tint", "red", "green", "a red")
    pair.film.show("green", 6)
    states.wait_for(lambda s: (s.query, s.text) == ("tint", "green"), "the phrase")
    assert set_queries(ros, tint("red", "blue")).success  # other phrases, the same query
    pair.wait_for_phrases("tint", "red", "blue")
    pair.film.show("blue", 6)
    states.wait_for(lambda s: (s.query, s.text) == ("tint", "blue"), "the new phrase")
    assert set_queries(ros, tint()).success
    pair.wait_for_phrases("tint")
    ended = segments.wait_for(lambda s: (s.query, s.text) == ("tint", "blue"), "the last segment")
    assert ended.samples >= 4
    before = len(words(states, "tint"))
    unanswered = pair.describer.tally[UNANSWERED]
    pair.film.show("red", 6)
    ros.wait(lambda: pair.describer.tally[UNANSWERED] >= unanswered + 6, "they came")
    assert len(words(states, "tint")) == before
    assert pair.describer.tally["segments lost"] == 0


def test_phrases_of_a_call_survive_until_other_queries_are_set(
    ros: Bench, bundle: str, states: Inbox
) -> None:
    pair = Pair(ros, bundle)
    assert set_queries(ros, tint(*TINTS)).success
    for node in ("embedder", "describer"):
        for label in RESTART:
            assert ros.transition(node, label)
    pair.roll()
    pair.wait_for_phrases("tint", *TINTS)
    assert ros.set_parameters("embedder", queries=["colour"]).successful
    pair.wait_for_phrases("tint")
    assert ros.set_parameters("embedder", queries=[f"tint: {QUESTION}"]).successful
    pair.film.show("red", 1)
    assert phrases_of(pair.describer, "tint") == ()


@pytest.mark.parametrize(
    ("queries", "complaint"),
    [
        ([tint(*["red"] * (MAX_ADDED_PER_QUERY + 1))], "257 phrases for query 'tint'"),
        (
            [
                Query(name=f"q{n}", text="Why?", phrases=["red"] * MAX_ADDED_PER_QUERY)
                for n in range(MAX_ADDED // MAX_ADDED_PER_QUERY + 1)
            ],
            "2304 phrases",
        ),
        ([tint("red", " ")], "a phrase of query 'tint' is empty"),
        ([tint("x" * 201)], "longer than 200"),
        ([Query(name="*", phrases=["red"])], "'*', which is no query"),
        ([Query(text="Why?", phrases=["red"])], "no name"),
    ],
    ids=["query", "all", "blank", "long", "every", "nameless"],
)
def test_bad_phrases_are_refused_and_the_old_queries_stay(
    ros: Bench, bundle: str, queries: list[Query], complaint: str
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    embedder = ros.add(Embedder, bundle=bundle, queries=["colour"])
    infos.wait(1)
    answer = set_queries(ros, *queries)
    assert not answer.success and complaint in answer.message
    assert embedder.parameters["queries"] == ["colour"]
    assert embedder.tally["service requests refused"] == 1


def announce(ros: Bench, *queries: Query, space_id: str = SPACE) -> None:
    """Tell the describer what is asked, as an embedder does."""
    publisher = ros.node.create_publisher(ModelInfo, "embedder/model_info", latched(1))
    publisher.publish(ModelInfo(space_id=space_id, queries=list(queries)))


def test_a_query_without_phrases_says_so_and_gets_no_words(
    ros: Bench, describer: Describer, states: Inbox
) -> None:
    reports = ros.diagnostics("describer")
    announce(ros, tint(), Query(name="colour", text=QUESTION))
    speaker = Speaker(ros, describer)
    reports.wait_for(
        lambda r: r.level == Level.WARN.value and "are not described: tint" in r.message, "WARN"
    )
    speaker.say("red", 3, "tint")
    speaker.say("red", 3, "colour")
    states.wait_for(lambda s: s.query == "colour", "the state of the other query")
    assert words(states, "tint") == []
    assert describer.tally[UNANSWERED] == 3
    answer = ros.call(Describe, "describer/describe", query="tint")
    assert not answer.success and "'tint' has no phrases" in answer.message


def test_the_whole_bank_answers_on_request(ros: Bench, bundle: str, states: Inbox) -> None:
    describer = ros.add(Describer, bundle=bundle, answer_from="all", **COUNTING)
    Speaker(ros, describer).say("red", 3, "tint")
    states.wait_for(lambda s: (s.query, s.text) == ("tint", phrase("red")), "its state")


Answer = Callable[[Any, Any], Any]


def stand_in(ros: Bench, answer: Answer) -> None:
    """Offer the embedder's service in the test's own node."""
    group = ReentrantCallbackGroup()
    ros.node.create_service(EmbedText, "embedder/embed_text", answer, callback_group=group)


def embedded(request: EmbedText.Request, response: EmbedText.Response) -> EmbedText.Response:
    response.success, response.space_id = True, SPACE
    response.data = to_floats(meaning(request.text))
    return response


def test_phrases_wait_for_an_embedder(ros: Bench, describer: Describer, states: Inbox) -> None:
    announce(ros, tint("red", "green"))
    speaker = Speaker(ros, describer)
    ros.wait(lambda: describer.tally["phrases not embedded"] > 1, "it has tried")
    speaker.say("green", 3, "tint")
    assert phrases_of(describer, "tint") == ()
    stand_in(ros, embedded)
    ros.wait(lambda: phrases_of(describer, "tint") == ("red", "green"), "the phrases")
    speaker.say("green", 3, "tint")
    assert states.wait(1)[0].text == "green"


class Holding:
    """The embedder's service, which answers "green" only after :meth:`release`."""

    def __init__(self, ros: Bench) -> None:
        self._ros = ros
        self._last = Future()
        self._reached: list[EmbedText.Request] = []
        stand_in(ros, self._answer)

    def wait(self) -> None:
        """Wait until it is asked for what it holds back."""
        self._ros.wait(lambda: bool(self._reached), "it is asked for the last phrase")

    def release(self) -> None:
        """Answer."""
        self._last.set_result(None)
        self._ros.node.executor.wake()

    async def _answer(self, request: EmbedText.Request, response: EmbedText.Response) -> Any:
        if request.text == "green":
            self._reached.append(request)
            await self._last
        return embedded(request, response)


def test_a_query_is_not_answered_with_a_part_of_its_phrases(
    ros: Bench, describer: Describer, states: Inbox
) -> None:
    embedder = Holding(ros)
    announce(ros, tint("red", "green"))
    speaker = Speaker(ros, describer)
    embedder.wait()
    speaker.say("green", 3, "tint")
    assert describer.tally[UNANSWERED] == 3 and not states
    embedder.release()
    ros.wait(lambda: phrases_of(describer, "tint") == ("red", "green"), "the phrases")


def test_phrases_that_a_query_has_no_more_are_not_taken(ros: Bench, describer: Describer) -> None:
    embedder = Holding(ros)
    announce(ros, tint("red", "green"))
    embedder.wait()
    announce(ros, tint("blue"), Query(name="other", text=QUESTION, phrases=["yellow"]))
    ros.wait(lambda: "other" in unanswered(describer), "it has read that")
    embedder.release()
    ros.wait(lambda: phrases_of(describer, "other") == ("yellow",), "the new phrases")
    assert phrases_of(describer, "tint") == ("blue",)


def test_phrases_of_another_space_are_not_taken(ros: Bench, describer: Describer) -> None:
    spaces = ["other-7", SPACE]

    def answer(request: EmbedText.Request, response: EmbedText.Response) -> EmbedText.Response:
        embedded(request, response).space_id = spaces[0]
        return response

    stand_in(ros, answer)
    announce(ros, tint("red"), space_id="other-7")
    ros.wait(lambda: describer.tally["embeddings of another space"] == 1, "it has read that")
    announce(ros, tint("red"))
    ros.wait(lambda: describer.tally["phrases not embedded"] > 0, "they are refused")
    assert phrases_of(describer, "tint") == ()
    assert "'other-7'" in str(describer.tally.values()["last fault"])
    spaces.pop(0)
    ros.wait(lambda: phrases_of(describer, "tint") == ("red",), "the embedder was replaced")


@pytest.mark.parametrize(
    "query",
    [tint(*["red"] * 100_000), tint("x" * 10_000), Query(name="x" * 10_000, phrases=["red"])],
    ids=["many", "long", "long name"],
)
def test_bad_phrases_in_model_info_are_refused(
    ros: Bench, describer: Describer, query: Query
) -> None:
    announce(ros, query)
    ros.wait(lambda: describer.tally["phrases refused"] == 1, "they are refused")
    assert phrases_of(describer, "tint") == ()


def phrases(ros: Bench, query: str = "") -> Any:
    return ros.call(ListPhrases, "describer/list_phrases", query=query)


def remove(ros: Bench, query: str, *texts: str) -> Any:
    return ros.call(RemovePhrases, "describer/remove_phrases", query=query, texts=list(texts))


def test_phrases_are_listed_and_removed(ros: Bench, describer: Describer, states: Inbox) -> None:
    segments = ros.inbox(Segment, "describer/segment", reliable(100))
    speaker = Speaker(ros, describer)
    listed = phrases(ros)
    pairs = list(zip(listed.queries, listed.texts, strict=True))
    assert pairs == [
        *(("colour", phrase(colour)) for colour in COLOURS),
        *(("brightness", phrase(level)) for level in LEVELS),
    ]
    speaker.say("red", 3)
    assert states.wait(1)[0].text == phrase("red")
    assert remove(ros, "colour", phrase("yellow"), phrase("white")).success
    assert list(phrases(ros, "colour").texts) == [
        phrase(c) for c in ("red", "green", "blue", "black")
    ]
    assert remove(ros, "colour").success
    assert segments.wait(1)[0].text == phrase("red")
    refused = phrases(ros, "colour")
    assert not refused.success and "there are of: brightness" in refused.message
    speaker.say("green", 3)
    assert describer.tally[UNANSWERED] == 3
    lost = states.wait_for(lambda s: s.reason == StateDescription.LOST, "the end of the state")
    assert lost.previous_text == phrase("red")
    assert words(states, "colour") == [phrase("red"), ""]


@pytest.mark.parametrize(
    ("query", "texts", "complaint"),
    [
        ("colour", [phrase("red"), "sings"], "'colour' has no phrase 'sings'"),
        ("tint", [], "'tint' has no phrases"),
        ("", [], "a query has no name"),
        ("colour", ["x"] * 257, "257 phrases are too many"),
    ],
    ids=["unknown", "none", "nameless", "many"],
)
def test_phrases_are_removed_all_or_none(
    ros: Bench, describer: Describer, query: str, texts: list[str], complaint: str
) -> None:
    ros.wait(lambda: describer.phase.value == "active", "it is active")
    answer = remove(ros, query, *texts)
    assert not answer.success and complaint in answer.message
    assert len(phrases_of(describer, "colour")) == len(COLOURS)


def test_a_phrase_that_was_removed_does_not_come_again_by_itself(
    ros: Bench, describer: Describer
) -> None:
    stand_in(ros, embedded)
    announce(ros, tint("red", "green"))
    ros.wait(lambda: phrases_of(describer, "tint") == ("red", "green"), "the phrases")
    assert remove(ros, "tint", "red").success
    announce(ros, tint("red", "green", "blue"))
    ros.wait(lambda: phrases_of(describer, "tint") == ("green", "blue"), "the new one alone")
