# SPDX-License-Identifier: Apache-2.0
"""The describer learns from what it is shown: images, through the embedder, over real DDS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.colour_bundle import COLOURS, DIMENSION, phrase
from support.film import PERIOD, Film
from support.ros import Bench, Inbox
from support.speaker import COUNTING, SPACE, Speaker, meaning
from vljepa_msgs.msg import Candidates, Embedding, Segment, StateDescription, VisualFeatures
from vljepa_msgs.srv import ListExamples, RemoveExamples, SaveExamples, ShowExamples
from vljepa_ros.nodes.common.conversions import to_floats, to_ns, to_stamp
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

MOOD = "mood: How is the scene?"  # a query without phrases


class Stage:
    """An embedder and a describer before which colours are shown."""

    def __init__(self, ros: Bench, bundle: str, queries: list[str], **parameters: Any) -> None:
        self._ros = ros
        self.states = ros.inbox(StateDescription, "describer/state", latched(10))
        self.embeddings = ros.inbox(Embedding, "embedder/embedding")
        ros.add(Embedder, bundle=bundle, queries=queries)
        self._describer = ros.add(Describer, bundle=bundle, **COUNTING, **parameters)
        self._film = Film(ros.camera().wait_matched(), self.embeddings)
        publisher = "embedder/visual_features"
        ros.wait(lambda: ros.node.count_subscribers(publisher) == 1, "the describer listens")
        self._film.roll("black")

    def show(self, colour: str, frames: int = 8) -> list[int]:
        """Show a colour, and wait until the describer has the features of the last frame."""
        stamps = self._film.show(colour, frames)
        worker = self._describer._worker
        assert worker is not None
        stream = worker.cameras[""].features
        # No topic tells when features have been taken.
        self._ros.wait(lambda: stream.at(stamps[-1]) is not None, "the features are taken")
        return stamps

    def name(self, text: str, seconds: float = 0.35, query: str = "mood") -> Any:
        """Say what was seen in the last seconds."""
        service = "describer/show_examples"
        fields = {"query": query, "text": text, "seconds": seconds}
        return self._ros.call(ShowExamples, service, **fields)


def texts(states: Inbox) -> list[tuple[str, int]]:
    return [(state.text, state.reason) for state in states]


def taught(ros: Bench, query: str = "") -> dict[str, int]:
    found = ros.call(ListExamples, "describer/list_examples", query=query)
    assert found.success, found.message
    return dict(zip(found.texts, found.clips, strict=True))


def until(show: Callable[[], object], inbox: Inbox, count: int) -> None:
    """Show more until messages come: nobody is told when a publisher has found a subscriber."""
    for _ in range(100):
        show()
        if inbox.has(count, deadline_s=0.05):
            return
    inbox.wait(count)


@pytest.fixture
def stage(ros: Bench, bundle: str) -> Stage:
    return Stage(ros, bundle, [MOOD])


def test_what_was_shown_and_named_is_said_from_then_on(ros: Bench, stage: Stage) -> None:
    segments = ros.inbox(Segment, "describer/segment", reliable(100))
    stage.show("red")
    first = stage.name("a cosy\nroom")
    assert first.success and first.clips == 4
    assert "once another text has some too" in first.message
    stage.show("blue")
    assert not stage.states  # one text alone answers nothing

    second = stage.name("a cold room")
    assert second.success and not second.message
    (tick,) = stage.show("blue", 1)  # one tick is enough
    (state,) = stage.states.wait(1)
    assert (state.text, to_ns(state.header.stamp)) == ("a cold room", tick)
    assert state.score > 0.9 and np.isnan(state.cosine)
    stage.show("blue")

    begins = stage.show("red")[0]
    other = stage.states.wait(2)[1]
    assert (other.text, other.reason) == ("a cosy room", StateDescription.CHANGE)
    assert begins <= to_ns(other.since) <= begins + 4 * PERIOD
    (segment,) = segments.wait(1)
    assert segment.text == "a cold room" and len(segment.data) == DIMENSION
    assert np.linalg.norm(segment.data) == pytest.approx(1.0, abs=1e-5)
    assert taught(ros, "mood") == {"a cosy room": 4, "a cold room": 4}


def test_examples_take_the_place_of_phrases_until_they_are_removed(
    ros: Bench, bundle: str
) -> None:
    stage = Stage(ros, bundle, ["colour"])
    remove = "describer/remove_examples"
    stage.show("red")
    stage.name("warm", query="colour")
    assert stage.states[-1].text == phrase("red")
    stage.show("blue")
    stage.name("cold", query="colour")
    stage.show("blue")
    before = texts(stage.states)
    assert before[-2:] == [("", StateDescription.LOST), ("cold", StateDescription.FIRST)]

    refused = ros.call(RemoveExamples, remove, query="colour", texts=["cold", "hot"])
    assert not refused.success and "no examples of 'hot'" in refused.message
    assert taught(ros) == {"warm": 4, "cold": 4}  # all or nothing
    assert ros.call(RemoveExamples, remove, query="colour", texts=["cold"]).success
    stage.show("blue", 1)
    stage.states.wait(len(before) + 2)
    assert texts(stage.states)[-2:] == [
        ("", StateDescription.LOST),
        (phrase("blue"), StateDescription.FIRST),
    ]
    assert taught(ros) == {"warm": 4}
    assert ros.call(RemoveExamples, remove, query="colour").success
    assert taught(ros) == {}


def test_examples_last_through_a_deactivation_and_come_back_from_a_file(
    ros: Bench, stage: Stage, tmp_path: Path
) -> None:
    save, file = "describer/save_examples", tmp_path / "moods.npz"
    empty = ros.call(SaveExamples, save, file=str(file))
    assert not empty.success and "no examples" in empty.message and not file.exists()
    for colour, text in (("red", "cosy"), ("blue", "cold")):
        stage.show(colour)
        stage.name(text)
    for label in ("deactivate", "activate"):
        assert ros.transition("describer", label)
    assert taught(ros) == {"cosy": 4, "cold": 4}
    saved = ros.call(SaveExamples, save, file=str(file))
    assert saved.success and saved.clips == 8, saved.message

    for label in ("deactivate", "cleanup"):
        assert ros.transition("describer", label)
    gone = ros.call(ListExamples, "describer/list_examples")
    assert not gone.success and "not configured" in gone.message
    assert ros.set_parameters("describer", examples_file=str(file)).successful
    for label in ("configure", "activate"):
        assert ros.transition("describer", label)
    assert taught(ros) == {"cosy": 4, "cold": 4}
    stage.show("red")
    stage.states.wait_for(lambda state: state.text == "cosy", "the text of the file")


def test_a_bad_request_is_answered_in_a_sentence(ros: Bench, stage: Stage) -> None:
    stage.show("red")
    for fields, cause in (
        ({"query": "taste"}, "query 'taste' is not asked"),
        ({"query": ""}, "a query has no name"),
        ({"text": " \n"}, "is empty"),
        ({"text": "long " * 300}, "characters"),
        ({"seconds": -1.0}, "seconds must be from 0 to 60, not -1"),
        ({"seconds": float("nan")}, "seconds must be from 0 to 60, not nan"),
        ({"camera": "left"}, "no camera 'left'"),
    ):
        request = {"query": "mood", "text": "red", "seconds": 1.0, **fields}
        refused = ros.call(ShowExamples, "describer/show_examples", **request)
        assert not refused.success and cause in refused.message, (fields, refused)
    unknown = ros.call(ListExamples, "describer/list_examples", query="mood")
    assert not unknown.success and "has no examples" in unknown.message
    assert stage.name("red", 0.0).clips == 1  # the newest clip alone


def test_a_file_of_another_model_or_of_nothing_is_refused(
    ros: Bench, bundle: str, tmp_path: Path
) -> None:
    file = tmp_path / "torn.npz"
    file.write_bytes(b"PK")
    describer = ros.add(Describer, bundle=bundle, examples_file=str(file))
    ros.wait(lambda: describer.failure != "", "it has failed")
    assert str(file) in describer.failure and "save_examples" in describer.failure


class Actor:
    """Publishes features beside a speaker's embeddings; the describer has two examples."""

    def __init__(self, ros: Bench, bundle: str) -> None:
        self.describer = ros.add(Describer, bundle=bundle, **COUNTING)
        self.speaker = Speaker(ros, self.describer)
        topic = "embedder/visual_features"
        self._features = ros.node.create_publisher(VisualFeatures, topic, reliable(50))
        listens = self._features.get_subscription_count
        ros.wait(lambda: listens() == 1, "the describer listens")
        self._rows = np.eye(2, 6, dtype=np.float32)
        worker = self.describer._worker
        assert worker is not None
        for text, row in zip(("one", "two"), self._rows, strict=True):
            worker.model.answers.examples.add("colour", text, row[None])

    def see(self, stamp: int, space_id: str = SPACE) -> None:
        """Publish what is near the second example."""
        message = VisualFeatures(space_id=space_id, data=to_floats(self._rows[1]))
        message.header.stamp = to_stamp(stamp)
        self._features.publish(message)


def test_embeddings_wait_for_their_features_but_not_for_ever(ros: Bench, bundle: str) -> None:
    """What comes first over the network is not said anywhere."""
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    actor = Actor(ros, bundle)
    lost, late = [actor.speaker.publish(meaning("red")) for _ in range(2)]
    assert not states
    actor.see(late, space_id="another")
    actor.see(late)
    (state,) = states.wait(1)
    assert (state.text, to_ns(state.header.stamp)) == ("two", late)
    tally = actor.describer.tally
    assert tally["visual features missing"] == 1 and lost < late
    assert tally["visual features of another space"] == 1


def test_examples_answer_in_scenes_that_the_model_does_not_know(ros: Bench, bundle: str) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    candidates = ros.inbox(Candidates, "describer/candidates")
    actor = Actor(ros, bundle)

    def look() -> None:
        actor.see(actor.speaker.publish(meaning("red"), unfamiliarity=1.0))

    for _ in range(30):  # three seconds
        look()
    until(look, candidates, 1)
    assert candidates[0].texts == ["one", "two"]
    assert sum(candidates[0].shares) == pytest.approx(1.0, abs=1e-5)
    (state,) = states.wait(1)
    assert state.text == "two" and np.isnan(state.unfamiliarity)
    assert state.score == state.share > 0.9


def test_candidates_keep_their_places_and_have_a_topic_per_query(ros: Bench, bundle: str) -> None:
    everything = ros.inbox(Candidates, "describer/candidates")
    colours = ros.inbox(Candidates, "describer/candidates/colour")
    stage = Stage(ros, bundle, ["colour", "brightness"])
    stage.show("green", 2)
    until(lambda: stage.show("green", 1), everything, 2)
    assert {message.query for message in everything} == {"colour", "brightness"}
    until(lambda: stage.show("green", 1), colours, 1)
    newest = colours[-1]
    assert newest.query == "colour" and newest.texts == [phrase(word) for word in COLOURS]
    assert newest.texts[int(np.argmax(newest.shares))] == phrase("green")
    assert newest.texts[int(np.argmax(newest.cosines))] == phrase("green")
    assert sum(newest.shares) == pytest.approx(1.0, abs=1e-5)
    stamp = newest.header.stamp
    assert stamp in [embedding.header.stamp for embedding in stage.embeddings]

    assert ros.set_parameters("embedder", queries=["brightness"]).successful
    gone = "describer/candidates/colour"
    ros.wait(lambda: ros.node.count_publishers(gone) == 0, "a topic goes with its query")


def test_features_are_sent_only_while_someone_listens(ros: Bench, bundle: str) -> None:
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    film = Film(ros.camera().wait_matched(), embeddings)
    film.roll("red")
    features = ros.inbox(VisualFeatures, "embedder/visual_features")
    until(lambda: film.show("green", 1), features, 1)
    seen = features[-1]
    assert len(features) < len(embeddings)
    embedding = next(one for one in embeddings if one.header.stamp == seen.header.stamp)
    assert seen.space_id == embedding.space_id == "colour-1"
    assert seen.window_start == embedding.window_start
    assert seen.header.frame_id == embedding.header.frame_id
    assert np.isfinite(seen.data).all() and len(seen.data) == 6
