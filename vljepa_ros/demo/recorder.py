# SPDX-License-Identifier: Apache-2.0
"""The demo's own node: it listens to everything that the other nodes publish and keeps it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from numpy.typing import NDArray
from rcl_interfaces.msg import Log
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from vljepa_msgs.msg import Embedding, ModelInfo, StateDescription
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.conversions import to_ns, to_rgb, to_vector
from vljepa_ros.nodes.diagnostic_keys import CHANGES_WITHOUT_WORDS, drops_of
from vljepa_ros.nodes.replay import NEXT_IMAGE, PROBLEMS, PUBLISHED
from vljepa_ros.stream.images import ImageError
from vljepa_ros.views.board import BoardView, StateBoard, StateView
from vljepa_ros.views.doubts import doubt_words

_REASONS = {
    StateDescription.FIRST: "first",
    StateDescription.CHANGE: "change",
    StateDescription.REFRESH: "refresh",
    StateDescription.CORRECTION: "correction",
    StateDescription.FORCED: "forced",
    StateDescription.UNFAMILIAR: "unfamiliar",
}
_QUEUE = 100
_INFO, _WARN = 20, 30  # of Log.level; the constants of the message are bytes in some releases
_LOG_QOS = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Audience(Protocol):
    """Takes what comes, in the thread of the executor, so it must be quick."""

    def on_image(self, stamp_ns: int, image: NDArray[np.uint8], view: BoardView) -> None:
        """Take an RGB image (H, W, 3), uint8, and what is known at its time."""

    def on_state(self, state: StateRecord) -> None:
        """Take a state change."""

    def on_embedding(self, embedding: EmbeddingRecord) -> None:
        """Take an embedding."""

    def on_notice(self, node: str, text: str) -> None:
        """Take what a node tells its user."""


class Recorder(Node):
    """Collects a run.

    Attributes:
        run: what came so far.
        changed: notified after every message; hold it to read what came.
        failures: why nodes failed, by node.
        embedder_reports: number of reports of the embedder.
        next_image_s: when the next image is due, or when the last one came, on the steady clock.
    """

    def __init__(self, namespace: str, run: RunRecord, audience: Audience, **options: Any) -> None:
        """Listen.

        Args:
            namespace: of the nodes.
            run: takes what comes.
            audience: is told as it comes.
            options: passed to :class:`rclpy.node.Node`.
        """
        super().__init__("recorder", namespace=namespace, **options)
        self.run = run
        self.changed = threading.Condition()
        self.failures: dict[str, str] = {}
        self.embedder_reports = 0
        self.next_image_s = 0.0
        self._audience = audience
        self._board = StateBoard()
        self._newest: dict[str, NDArray[np.float32]] = {}
        self._anchors: dict[str, NDArray[np.float32]] = {}
        self._take_values: dict[str, Callable[[dict[str, str]], None]] = {
            "embedder": self._on_embedder_values,
            "describer": self._on_describer_values,
            "replay": self._on_replay_values,
        }
        self._listen(ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1))
        self._listen(Image, "image_raw", self._on_image, qos.reliable(_QUEUE))
        self._listen(Embedding, "embedder/embedding", self._on_embedding, qos.reliable(_QUEUE))
        self._listen(StateDescription, "describer/state", self._on_state, qos.latched(_QUEUE))
        self._listen(DiagnosticArray, "/diagnostics", self._on_report, qos.reliable(_QUEUE))
        self._listen(Bool, "replay/finished", self._on_finished, qos.latched(1))
        self._listen(Log, "/rosout", self._on_log, _LOG_QOS)

    def _listen(self, kind: type, topic: str, take: Callable[[Any], None], profile: Any) -> None:
        def take_and_tell(message: Any) -> None:
            with self.changed:
                take(message)
                self.changed.notify_all()

        self.create_subscription(kind, topic, take_and_tell, profile)

    def _on_model_info(self, info: ModelInfo) -> None:
        self.run.model = f"{info.name} {info.version} ({info.backend}, {info.precision})"
        self.run.clip_s = (info.clip_frames - 1) / info.clip_rate_hz
        self.run.frame_s = 1 / info.clip_rate_hz
        self.run.questions = {query.name: query.text for query in info.queries}
        self._board.set_questions(list(self.run.questions.items()))

    def _on_image(self, message: Image) -> None:
        stamp_ns = to_ns(message.header.stamp)
        self.run.frames += 1
        if self.run.first_frame_ns is None:
            self.run.first_frame_ns = stamp_ns
        self.run.last_frame_ns = stamp_ns
        self.next_image_s = time.monotonic()
        try:
            image = to_rgb(message)
        except ImageError as error:
            self.run.refused[str(error)] += 1
            return
        self._board.dropped = sum(self.run.drops.values())
        self._audience.on_image(stamp_ns, image, self._board.view(stamp_ns))

    def _on_embedding(self, message: Embedding) -> None:
        stamp_ns, vector = to_ns(message.header.stamp), to_vector(message.data)
        self._newest[message.query] = vector
        self._board.add_embedding(message.query, stamp_ns)
        anchor = self._anchors.get(message.query)
        record = EmbeddingRecord(
            query=message.query,
            space_id=message.space_id,
            dimension=len(vector),
            distance=None if anchor is None else 1.0 - float(anchor @ vector),
            unfamiliarity=_number(message.unfamiliarity),
            image_fault=message.image_fault,
            stamp_ns=stamp_ns,
            window_start_ns=to_ns(message.window_start),
            received_ns=self._now_ns(),
        )
        self.run.embeddings.append(record)
        self._audience.on_embedding(record)

    def _on_state(self, message: StateDescription) -> None:
        if message.reason == StateDescription.LOST:  # the end of the recording, and no words
            self._anchors.pop(message.query, None)
            return
        is_doubted = message.reason == StateDescription.UNFAMILIAR
        record = StateRecord(
            query=message.query,
            text=message.text,
            previous_text=message.previous_text,
            score=message.score,
            share=message.share,
            unfamiliarity=_number(message.unfamiliarity),
            doubt=doubt_words(message.image_fault) if is_doubted else "",
            distance=message.distance,
            reason=_REASONS.get(message.reason, str(message.reason)),
            seq=message.seq,
            stamp_ns=to_ns(message.header.stamp),
            since_ns=to_ns(message.since),
            received_ns=self._now_ns(),
        )
        self.run.states.append(record)
        state = StateView(record.text, record.since_ns, record.score, doubt=record.doubt)
        self._board.add_state(record.query, state, record.stamp_ns)
        if record.query in self._newest:
            self._anchors[record.query] = self._newest[record.query]
        self._audience.on_state(record)

    def _on_report(self, report: DiagnosticArray) -> None:
        namespace = self.get_namespace().strip("/")
        for status in report.status:
            parent, _, name = status.name.rpartition("/")
            if parent != namespace:
                continue
            self.run.reports[name] = status.message
            if status.level == DiagnosticStatus.ERROR:
                self.failures[name] = status.message
            values = {pair.key: pair.value for pair in status.values}
            if name in self._take_values:
                self._take_values[name](values)
        drops = drops_of(report, f"{namespace}/embedder")
        if drops is not None:
            self.run.drops = drops

    def _on_embedder_values(self, values: dict[str, str]) -> None:
        self.run.embedder = {key: int(value) for key, value in values.items() if value.isdigit()}
        self.embedder_reports += 1

    def _on_describer_values(self, values: dict[str, str]) -> None:
        self.run.silent_decodes = int(values.get(CHANGES_WITHOUT_WORDS, 0))

    def _on_replay_values(self, values: dict[str, str]) -> None:
        if PUBLISHED not in values:  # an inactive node reports no counts
            return
        self.run.published = int(values[PUBLISHED])
        begin = f"{PROBLEMS}: "
        self.run.losses = {
            key.removeprefix(begin): int(value)
            for key, value in values.items()
            if key.startswith(begin)
        }
        if NEXT_IMAGE in values:
            self.next_image_s = time.monotonic() + float(values[NEXT_IMAGE])

    def _on_finished(self, message: Bool) -> None:
        self.run.complete = message.data

    def _on_log(self, message: Log) -> None:
        """Pass on warnings of our nodes, and what the replay says of its recording."""
        parent, _, name = message.name.rpartition(".")
        if parent != self.get_namespace().strip("/").replace("/", ".") or name == self.get_name():
            return
        if message.level >= (_INFO if name == "replay" else _WARN):
            self._audience.on_notice(name, message.msg)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _number(value: float) -> float | None:
    """Return a number, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
