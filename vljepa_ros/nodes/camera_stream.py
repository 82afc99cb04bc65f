# SPDX-License-Identifier: Apache-2.0
"""One camera of the describer: its topics, the states of its queries, and what is told of them.

The subscription's callback runs the change detector of the query; the worker thread, which all
cameras share, finds the words and publishes, so a slow decoder never holds up the embeddings.
Where it is slower than the changes, the newest state of each query is described and the others
are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from std_msgs.msg import Header

from vljepa_msgs.msg import Embedding, ModelInfo, Segment, StateDescription
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_floats, to_ns, to_stamp, to_vector
from vljepa_ros.nodes.common.diagnostics import Rate, Tally
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import Listener
from vljepa_ros.nodes.common.worker import Worker
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.choose_signal import Signal
from vljepa_ros.runtime.decoder import Decoder
from vljepa_ros.runtime.narrator import Narrator, Summary, Told
from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.state_watch import Moment, StateWatch, combined
from vljepa_ros.stream.vectors import EmbeddingError


@dataclass(frozen=True)
class Voice:
    """What all cameras share, from configure to cleanup; the rates count what was published."""

    bundle: Bundle
    decoder: Decoder
    signal: Signal
    worker: Worker[Task]
    states: Rate
    segments: Rate


@dataclass(frozen=True)
class Topics:
    """What is published for one camera, from configure to cleanup."""

    states: Any  # LifecyclePublisher
    segments: Any  # LifecyclePublisher

    @classmethod
    def create(cls, node: ManagedNode, camera: str) -> Topics:
        """Offer the topics of a camera; an empty name stands for the only one."""
        prefix = f"~/{camera}/" if camera else "~/"
        create = node.create_lifecycle_publisher
        return cls(
            states=create(StateDescription, f"{prefix}state", qos.latched(10)),
            segments=create(Segment, f"{prefix}segment", qos.reliable(100)),
        )

    def withdraw(self, node: ManagedNode) -> None:
        """Withdraw the topics."""
        for publisher in (self.states, self.segments):
            node.destroy_lifecycle_publisher(publisher)


@dataclass(frozen=True)
class Task:
    """For the worker: a moment, and the stream that tells it."""

    stream: CameraStream
    moment: Moment

    def merged(self, newer: Task) -> Task:
        """Return what takes the place of a task that still waits."""
        return Task(newer.stream, combined(self.moment, newer.moment))


class CameraStream:
    """Listens to one camera's embeddings from its creation until :meth:`close`."""

    def __init__(
        self, node: ManagedNode, camera: str, topics: Topics, voice: Voice, config: ChangeConfig
    ) -> None:
        """Subscribe.

        Args:
            node: the describer.
            camera: name of the camera; empty where there is only one, without a name.
            topics: where to publish.
            voice: what the cameras share.
            config: when a change counts.
        """
        self.camera = camera
        self._topics = topics
        self._voice = voice
        self._tally = node.tally.part(camera) if camera else node.tally
        self._watch = StateWatch(config)
        self._narrator = Narrator(voice.decoder)  # the worker's
        topic = f"embedder/{camera}/embedding" if camera else "embedder/embedding"
        self.listener = Listener(
            node, Embedding, topic, self._on_embedding, qos.reliable(10), self._tally
        )

    # In the executor.

    def close(self) -> None:
        """Unsubscribe, and have the worker publish what has ended with that."""
        self.listener.close()
        self.restart()

    def restart(self) -> None:
        """End all states; what comes next is the first of its query."""
        for end in self._watch.finish():
            self._offer(end)

    def follow(self, info: ModelInfo) -> None:
        """End the states of queries that the embedder does not answer any more."""
        for end in self._watch.keep_only({query.name: query.text for query in info.queries}):
            self._offer(end)

    def set_config(self, config: ChangeConfig) -> None:
        """Take new rules for what is a change."""
        self._watch.set_config(config)

    def as_it_is(self, query: str) -> Task:
        """Return what tells the newest embedding of a query.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        return Task(self, self._watch.force(query))

    def health(self) -> dict[str, object]:
        """Return the values of this camera for a report."""
        mark = f"{self.camera}: " if self.camera else ""
        states = {f"state of {query}": text for query, text in self._narrator.states.items()}
        values: Mapping[str, object] = {
            "topic": self.listener.topic,
            "embeddings_hz": self.listener.rate.read(),
            **states,
        }
        return {f"{mark}{name}": value for name, value in values.items()}

    def _on_embedding(self, message: Embedding) -> None:
        bundle = self._voice.bundle
        if not is_comparable(bundle, self._tally, message.space_id, len(message.data)):
            return
        stamp_ns, frame_id = to_ns(message.header.stamp), message.header.frame_id
        try:
            vector = to_vector(message.data)
            signal = self._voice.signal(message.query, vector)
            moment = self._watch.update(message.query, stamp_ns, vector, frame_id, signal)
        except EmbeddingError as error:
            self._tally.warn("embeddings refused", f"embedding refused: {error}")
            return
        if moment is not None:
            self._offer(moment)

    def _offer(self, moment: Moment) -> None:
        kind = (self.camera, moment.query)
        if self._voice.worker.offer(Task(self, moment), kind=kind, merge=Task.merged):
            self._tally.count("states replaced by newer ones")

    # In the worker.

    def tell(self, moment: Moment) -> StateDescription | None:
        """Put a moment into words and publish what is news in it.

        Raises:
            ValueError: the embedding has another dimension than the decoder's.
            BackendError: the decoder failed.
        """
        try:
            if moment.decode is not None:
                return self._tell_state(moment, moment.decode)
            self._narrator.finish(moment.query, moment.over)
            return None
        finally:
            self._publish_segments(moment)

    def _tell_state(self, moment: Moment, decode: Decode) -> StateDescription | None:
        told = self._narrator.tell(moment.query, decode, moment.over, moment.ended)
        if told is None:
            self._tally.count("changes without new words")
            return None
        message = _state(moment, decode, told)
        self._topics.states.publish(message)
        self._voice.states.tick()
        return message

    def _publish_segments(self, moment: Moment) -> None:
        for closed in self._narrator.take_closed(moment.query):
            try:
                summary = self._narrator.sum_up(moment.query, closed)
            except (ValueError, BackendError) as error:
                self._tally.warn("segments lost", f"segment lost: {error}")
                continue
            space_id = self._voice.bundle.space_id
            self._topics.segments.publish(_segment(moment, summary, space_id))
            self._voice.segments.tick()


def is_comparable(
    bundle: Bundle, tally: Tally, space_id: str, dimension: int | None = None
) -> bool:
    """Tell whether vectors can be put into words with a bundle; count and log where not."""
    if space_id == bundle.space_id and dimension in (None, bundle.dimension):
        return True
    tally.warn(
        "embeddings of another space",
        f"embeddings are of space {clean_text(space_id, limit=64)!r}, the bundle's are of "
        f"{bundle.space_id!r} ({bundle.dimension} numbers): both nodes need the same bundle",
    )
    return False


def _state(moment: Moment, decode: Decode, told: Told) -> StateDescription:
    return StateDescription(
        header=Header(stamp=to_stamp(decode.stamp_ns), frame_id=moment.frame_id),
        since=to_stamp(told.since_ns),
        text=told.text,
        previous_text=told.previous_text,
        query=moment.query,
        score=told.score,
        distance=0.0 if told.reason is Reason.FIRST else decode.distance,
        reason=int(told.reason),
        seq=told.seq,
    )


def _segment(moment: Moment, summary: Summary, space_id: str) -> Segment:
    end = to_stamp(summary.end_ns)
    return Segment(
        header=Header(stamp=end, frame_id=moment.frame_id),
        start=to_stamp(summary.start_ns),
        end=end,
        text=summary.text,
        query=moment.query,
        score=summary.score,
        space_id=space_id,
        normalized=True,
        data=to_floats(summary.embedding),
        samples=summary.samples,
        seq=summary.seq,
    )
