# SPDX-License-Identifier: Apache-2.0
"""One camera of the describer: embeddings in, states and segments in words out.

The subscription's callback runs the change detectors; the worker thread, which all cameras share,
finds the words and publishes, so a slow decoder never holds up the embeddings. If the decoder is
slower than the changes, the newest state of each query is described and the others are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from std_msgs.msg import Header

from vljepa_msgs import msg
from vljepa_ros.nodes.candidates import CandidatesPublisher
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.complaints import DOUBTS, NO_EMBEDDER
from vljepa_ros.nodes.common.conversions import to_floats, to_ns, to_stamp, to_vector
from vljepa_ros.nodes.common.diagnostics import Rate, Tally
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import Listener
from vljepa_ros.nodes.common.worker import Worker
from vljepa_ros.nodes.diagnostic_keys import CHANGES_WITHOUT_WORDS, STATES_REPLACED, UNANSWERED
from vljepa_ros.nodes.feature_stream import FeatureStream
from vljepa_ros.nodes.standing_states import StandingStates
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.decoder import Decoder
from vljepa_ros.runtime.example_answers import ExampleAnswers
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.queries import MAX_NAME, MAX_QUERIES
from vljepa_ros.runtime.state_tracker import StateTracker, StateUpdate, Words
from vljepa_ros.stream.change import ChangeConfig, Reason
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.doubt import DoubtConfig
from vljepa_ros.stream.image_faults import ImageFault
from vljepa_ros.stream.segment import Segment
from vljepa_ros.stream.state_events import (
    NothingToDescribeError,
    StateEvent,
    StateEventDetector,
)
from vljepa_ros.stream.vectors import EmbeddingError


@dataclass(frozen=True)
class StateRules:
    """When a state begins and ends; as in the parameters of the describer."""

    change: ChangeConfig
    doubt: DoubtConfig
    silence_s: float


@dataclass(frozen=True)
class DescriberModel:
    """What finds changes and the words for them; all cameras share it.

    Attributes:
        bundle: whose space the embeddings must be of.
        decoder: finds the words.
        answers: the words, their score and the signal, from examples for queries that have some.
        min_similarity: returns the cosine below which the nearest phrase is not told.
    """

    bundle: Bundle
    decoder: Decoder
    answers: ExampleAnswers
    min_similarity: Callable[[], float]

    def can_answer(self, query: str) -> bool:
        """Return whether the decoder has words for a query."""
        if not isinstance(self.decoder, PhraseBank) or self.decoder.can_answer(query):
            return True
        return self.answers.answers(query)

    def can_describe(self, tally: Tally, space_id: str, dimension: int | None = None) -> bool:
        """Tell whether embeddings are of the bundle's space; count and log if they are not."""
        bundle = self.bundle
        if space_id == bundle.space_id and dimension in (None, bundle.dimension):
            return True
        tally.warn(
            "embeddings of another space",
            f"embeddings are of space {clean_text(space_id, limit=64)!r}"
            f"{'' if dimension is None else f' ({dimension} numbers)'}, the bundle's are of "
            f"{bundle.space_id!r} ({bundle.dimension} numbers): both nodes need the same bundle",
        )
        return False


class CameraDescriber:
    """Publishes the states of one camera; its publishers last until :meth:`close`.

    It listens from :meth:`start` to :meth:`stop`.
    """

    def __init__(
        self,
        node: ManagedNode,
        camera: str,
        model: DescriberModel,
        worker: Worker[StateEvent],
        rules: StateRules,
    ) -> None:
        """Create the publishers.

        Args:
            node: the describer.
            camera: name of the camera; empty if there is only one, without a name.
            model: what finds changes and words.
            worker: takes the events; its handler must call :meth:`publish`.
            rules: when a state begins and ends.
        """
        self._node, self._camera, self._model, self._worker = node, camera, model, worker
        self._rules = rules
        self._tally = node.tally.part(camera) if camera else node.tally
        self.states, self.segments = Rate(), Rate()  # published
        prefix = f"~/{camera}/" if camera else "~/"
        create = node.create_lifecycle_publisher
        self._state_publisher = create(msg.StateDescription, f"{prefix}state", qos.latched(10))
        self._segment_publisher = create(msg.Segment, f"{prefix}segment", qos.reliable(100))
        self.standing = StandingStates(node, f"{prefix}states")
        self._candidates = CandidatesPublisher(node, f"{prefix}candidates", model.answers)
        self.features = FeatureStream(
            node, camera, model.bundle.space_id, self._tally, self._on_embedding
        )
        self.listener: Listener | None = None
        self._forget()

    # In the executor.

    def start(self) -> None:
        """Subscribe; the first embedding of each query begins its first state."""
        self._forget()
        self.features.start()
        topic = f"embedder/{self._camera}/embedding" if self._camera else "embedder/embedding"
        self.listener = Listener(
            self._node, msg.Embedding, topic, self._on_embedding, qos.embeddings(), self._tally
        )

    def stop(self) -> None:
        """Unsubscribe, and have the worker publish what has ended with that: no state stands."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        self.features.stop()
        self.end_streams()

    def close(self) -> None:
        """Destroy the publishers."""
        self.standing.close()
        self._candidates.close()
        for publisher in (self._state_publisher, self._segment_publisher):
            self._node.destroy_lifecycle_publisher(publisher)

    def end_streams(self) -> None:
        """End all states; what comes next is the first of its query."""
        for event in self._detector.finish():
            self._enqueue(event)

    def end_states(self, queries: Iterable[str]) -> None:
        """End the states of some queries."""
        for event in self._detector.end(queries):
            self._enqueue(event)

    def end_silent_streams(self) -> None:
        """End the states of queries of which no embedding has come for too long."""
        for event in self._detector.end_silent(self._now_ns()):
            self._enqueue(event)

    def set_queries(self, info: msg.ModelInfo) -> None:
        """End the states of queries that the embedder does not answer any more."""
        texts = {query.name: query.text for query in info.queries[:MAX_QUERIES]}
        for event in self._detector.keep_only(texts):
            self._seqs.pop(event.query, None)
            self._enqueue(event)
        self._candidates.set_queries(texts)

    def set_rules(self, rules: StateRules) -> None:
        """Take new rules for when a state begins and ends."""
        self._rules = rules
        self._detector.set_config(rules.change)
        self._detector.set_doubt(rules.doubt)
        self._detector.silence_s = rules.silence_s

    def force(self, query: str) -> StateEvent:
        """Return the newest state of a query, whether it changed or not.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        return self._detector.force(query)

    def is_asked(self, query: str) -> bool:
        """Tell whether the embedder answers a query, as far as that is known."""
        return self._detector.is_asked(query)

    def values(self) -> dict[str, object]:
        """Return what a report says of this camera; rates are since the report before."""
        assert self.listener is not None, "only an active node asks"
        texts = self._tracker.texts
        values: Mapping[str, object] = {
            "topic": self.listener.topic,
            "embeddings_hz": self.listener.rate.read(),
            **{f"state of {query}": text for query, text in texts.items()},
        }
        return {self._named(key): value for key, value in values.items()}

    def silence(self) -> str:
        """Say why no embedding comes; empty if embeddings come."""
        complaint = self.listener.complaint(NO_EMBEDDER) if self.listener else ""
        return self._named(complaint) if complaint else ""

    def doubt(self) -> str:
        """Say why what is seen cannot be trusted, and for how long; empty if it can."""
        found = self._detector.doubt()
        if found is None:
            return ""
        fault, seconds = found
        return self._named(DOUBTS[fault].told(f"{seconds:.0f}"))

    def _on_embedding(self, message: msg.Embedding) -> None:
        if not self._model.can_describe(self._tally, message.space_id, len(message.data)):
            return
        needs_features = self._model.answers.answers(message.query)
        if needs_features and self.features.keeps_waiting(message):
            return  # it comes here again with its features
        if not self._detector.admit(message.query):
            name = clean_text(message.query, limit=MAX_NAME)
            detail = f"embedding dropped: the embedder is not asked {name!r} (any more)"
            self._tally.warn("embeddings of queries that are not asked", detail)
            return
        self._count_lost(message)
        if not self._model.can_answer(message.query):
            self._tally.count(UNANSWERED)
            return
        stamp_ns, frame_id = to_ns(message.header.stamp), message.header.frame_id
        try:
            features = self.features.at(stamp_ns) if needs_features else None
            vector = self._model.answers.seen(message.query, to_vector(message.data), features)
            signal = self._model.answers.signal(message.query, vector)
            self._candidates.publish(message, vector)
            event = self._detector.update(
                message.query,
                stamp_ns,
                vector,
                frame_id,
                signal,
                window_start_ns=to_ns(message.window_start),
                heard_ns=self._now_ns(),
                # Examples are of scenes that the model does not know.
                unfamiliarity=math.nan if needs_features else _share(message.unfamiliarity),
                image_fault=ImageFault.of(message.image_fault),
            )
        except EmbeddingError as error:
            self._tally.warn("embeddings refused", f"embedding refused: {error}")
            return
        if event is not None:
            self._enqueue(event)

    def _count_lost(self, message: msg.Embedding) -> None:
        """Count a gap in the numbers of a query; with the embedder they begin anew."""
        before = self._seqs.get(message.query, message.seq)
        self._seqs[message.query] = message.seq
        if message.seq > before + 1:
            number, name = message.seq - before - 1, clean_text(message.query)
            detail = f"{number} embeddings of {name!r} were lost: the describer is too slow?"
            self._tally.warn("embeddings lost on the way", detail)

    def _enqueue(self, event: StateEvent) -> None:
        kind = (event.camera, event.query)
        if self._worker.put(event, kind=kind, merge=StateEvent.merged):
            self._tally.count(STATES_REPLACED)

    def _forget(self) -> None:
        rules, model = self._rules, self._model
        self._detector = StateEventDetector(
            rules.change, self._camera, rules.silence_s, rules.doubt
        )
        self._seqs: dict[str, int] = {}  # of the newest embedding, by query
        answers = model.answers
        self._tracker = StateTracker(answers, model.min_similarity, answers.score)  # worker's
        self.standing.clear()

    def _named(self, text: str) -> str:
        return f"{self._camera}: {text}" if self._camera else text

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    # In the worker.

    def publish(self, event: StateEvent) -> msg.StateDescription | None:
        """Find the words for an event, and publish what is new.

        Returns:
            The message; None if there is no news.

        Raises:
            NothingToDescribeError: the query is not asked any more.
            ValueError: the embedding has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        tracker, asked = self._tracker, self._detector.is_asked(event.query)
        if event.is_forced and not asked:
            raise NothingToDescribeError(f"query {event.query!r} is not asked any more")
        try:
            return self._publish_state(event, tracker.update(event))
        finally:
            for seq, segment in tracker.take_closed(event.query):
                self._publish_segment(event, tracker, segment, seq)
            if event.decode is None and not asked:
                tracker.forget(event.query)
                self.standing.forget(event.query)

    def _publish_state(
        self, event: StateEvent, update: StateUpdate | None
    ) -> msg.StateDescription | None:
        if update is None:
            if event.decode is not None:
                self._tally.count(CHANGES_WITHOUT_WORDS)
            return None
        message = _state_message(event, update)
        self._state_publisher.publish(message)
        self.standing.take(message)
        self.states.tick()
        return message

    def _publish_segment(
        self, event: StateEvent, tracker: StateTracker, segment: Segment, seq: int
    ) -> None:
        try:
            words = tracker.describe(event.query, segment.embedding, segment.unfamiliarity)
        except (ValueError, BackendError) as error:
            self._tally.warn("segments lost", f"segment lost: {error}")
            return
        message = _segment_message(event, segment, words, seq)
        message.space_id = self._model.bundle.space_id
        message.data = to_floats(self._model.answers.embedding(segment.embedding))
        self._segment_publisher.publish(message)
        self.segments.tick()


def _share(number: float) -> float:
    """Return a share, or NaN for a number that is none."""
    return number if 0.0 <= number <= 1.0 else math.nan


def _state_message(event: StateEvent, update: StateUpdate) -> msg.StateDescription:
    words, decode = update.words, event.decode
    is_compared = decode is not None and update.reason is not Reason.FIRST
    return msg.StateDescription(
        header=Header(stamp=to_stamp(event.stamp_ns), frame_id=event.frame_id),
        since=to_stamp(update.since_ns),
        text=words.text,
        previous_text=update.previous_text,
        query=event.query,
        score=words.score,
        share=words.share,
        cosine=words.cosine,
        unfamiliarity=decode.unfamiliarity if decode else math.nan,
        image_fault=int(event.image_fault),
        distance=decode.distance if decode and is_compared else 0.0,
        reason=int(update.reason),
        seq=update.seq,
    )


def _segment_message(event: StateEvent, segment: Segment, words: Words, seq: int) -> msg.Segment:
    end = to_stamp(segment.end_ns)
    return msg.Segment(
        header=Header(stamp=end, frame_id=event.frame_id),
        start=to_stamp(segment.start_ns),
        end=end,
        text=words.text,
        query=event.query,
        score=words.score,
        share=words.share,
        unfamiliarity=segment.unfamiliarity,
        cosine=words.cosine,
        normalized=True,
        samples=segment.samples,
        seq=seq,
    )
