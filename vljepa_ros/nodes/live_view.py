# SPDX-License-Identifier: Apache-2.0
"""The live view node: a page in the browser that shows what the running nodes see and say.

Callbacks stamp and push into :class:`~vljepa_ros.live.live_stream.LiveStream`, which is bounded.
The server's own threads read from it, convert images and wait for services, so neither a page nor
its absence holds up the node.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType, JumpHandle

from vljepa_msgs.msg import Candidates, Embedding, ModelInfo, Segment, StateDescription, States
from vljepa_msgs.srv import AddPhrases, Ask, EmbedText
from vljepa_ros.live.camera_history import Stretch, number
from vljepa_ros.live.live_server import LiveServer, NotNowError
from vljepa_ros.live.live_stream import LiveStream
from vljepa_ros.live.reported_health import ReportedHealth
from vljepa_ros.nodes.board_feed import state_view
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.complaints import NO_DESCRIBER, NO_EMBEDDER, OLD_STAMPS, complaints_in
from vljepa_ros.nodes.common.conversions import to_ns, to_vector
from vljepa_ros.nodes.common.diagnostics import Health, Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import Listener
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.diagnostic_keys import drops_of
from vljepa_ros.nodes.parameter_tables import LIVE_VIEW
from vljepa_ros.nodes.thread_client import ThreadClient
from vljepa_ros.nodes.watched_images import WatchedImages
from vljepa_ros.runtime.queries import MAX_QUERIES
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.views.doubts import doubt_words

_DEMAND_PERIOD_S = 0.2
_TICK = MAX_QUERIES  # messages: a view that is late shows the newest, and not all
_OLD_S = 5.0  # age of arriving embeddings that is a fault
_MAX_TEXT = 200  # characters of what is shown


class LiveView(ManagedNode):
    """Serves a page from configuring to cleaning up; fills it while it is active."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; the server follows on configure."""
        super().__init__("live_view", LIVE_VIEW, **options)
        self.stream = LiveStream([""])
        self.server: LiveServer | None = None
        self._images: WatchedImages | None = None
        self._listeners: list[Listener] = []
        self._embeddings: list[Listener] = []
        self._states: list[Listener] = []
        self._callers: dict[type, ThreadClient] = {}
        self._timer: Any = None
        self._jumps: JumpHandle | None = None
        self._reporters: tuple[str, ...] = ()

    # What the node does in the executor.

    def do_configure(self) -> None:
        """Listen for pages.

        Raises:
            OSError: The address cannot be listened on.
        """
        self.stream = LiveStream(camera_names(self.parameters["cameras"]))
        given = self.parameters
        self.server = LiveServer(self, given["host"], given["port"], given["web_write"])
        self.get_logger().info(f"the live view is at {self.server.address}")

    def do_activate(self) -> None:
        """Subscribe to all but the images, which wait for a page."""
        self._images = WatchedImages(self, self.stream.cameras)
        services: dict[Any, str] = {Ask: "embedder/ask", EmbedText: "embedder/embed_text"}
        if self.parameters["web_write"]:
            services[AddPhrases] = "describer/add_phrases"
        self._callers = {kind: ThreadClient(self, kind, name) for kind, name in services.items()}
        self._listen_to_nodes()
        for camera in self.stream.cameras:
            self._listen_to_camera(camera)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(_DEMAND_PERIOD_S, self._images.follow_demand, clock=steady)
        self._jumps = on_clock_jump(self, self.stream.forget)

    def do_deactivate(self) -> None:
        """Unsubscribe; the page shows what was last told as over."""
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        for listener in self._listeners:
            listener.close()
        for client in self._callers.values():
            client.close()
        self._listeners, self._embeddings, self._states, self._callers = [], [], [], {}
        if self._images is not None:
            self._images.close()
            self._images = None
        if self._jumps is not None:
            self._jumps.unregister()
            self._jumps = None

    def do_cleanup(self) -> None:
        """Listen for pages no more."""
        self.close()

    def close(self) -> None:
        """Stop the server."""
        if self.server is not None:
            self.server.stop()
            self.server = None

    def health(self) -> Health:
        """Report how many pages are open, and what does not come."""
        values = {
            "address": self.server.address.partition("?")[0] if self.server else "",
            "open pages": self.server.pages if self.server else 0,
            "embeddings kept": len(self.stream.ring),
            **self.tally.values(),
        }
        silences = [one.complaint(NO_EMBEDDER) for one in self._embeddings]
        silences += [one.complaint(NO_DESCRIBER) for one in self._states]
        silences += self._images.complaints() if self._images else []
        if any(silences):
            return Health(Level.STALE, "; ".join(filter(None, silences)), values)
        age_s = self.stream.age_s(self.now_ns())
        if age_s > _OLD_S:
            return Health(Level.WARN, OLD_STAMPS.told(f"{age_s:.0f}"), values)
        return Health(Level.OK, "serving", values)

    def _listen_to_nodes(self) -> None:
        topics = ("embedder/embedding", "describer/state")
        nodes = (self.resolve_topic_name(one).rpartition("/")[0] for one in topics)
        self._reporters = (*nodes, self.get_fully_qualified_name())
        self._listen(ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1))
        self._listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.reliable(50))

    def _listen_to_camera(self, camera: str) -> None:
        def of(node: str, topic: str) -> str:
            return f"{node}/{camera}/{topic}" if camera else f"{node}/{topic}"

        def listen(kind: type, topic: str, callback: Any, profile: Any) -> Listener:
            return self._listen(kind, topic, partial(callback, camera), profile)

        topic = of("embedder", "embedding")
        embeddings = listen(Embedding, topic, self._on_embedding, qos.reliable(_TICK))
        states = listen(States, of("describer", "states"), self._on_states, qos.latched(1))
        listen(Segment, of("describer", "segment"), self._on_segment, qos.reliable(100))
        candidates = of("describer", "candidates")
        listen(Candidates, candidates, self._on_candidates, qos.reliable(_TICK))
        self._embeddings.append(embeddings)
        self._states.append(states)

    def _listen(self, kind: type, topic: str, callback: Any, profile: Any) -> Listener:
        listener = Listener(self, kind, topic, callback, profile, self.tally)
        self._listeners.append(listener)
        return listener

    def _on_model_info(self, info: ModelInfo) -> None:
        self.stream.model = {
            "name": clean_text(f"{info.name} {info.version}"),
            "backend": clean_text(f"{info.backend} {info.precision}"),
        }
        self.stream.set_queries([(query.name, query.text) for query in info.queries])

    def _on_embedding(self, camera: str, message: Embedding) -> None:
        stamp_ns = to_ns(message.header.stamp)
        source = (camera, clean_text(message.query))
        self.stream.ring.add(source, message.space_id, stamp_ns, to_vector(message.data))
        with self.stream.lock:
            of_camera = self.stream.cameras[camera]
            of_camera.embedded(message.query, stamp_ns, message.unfamiliarity)

    def _on_states(self, camera: str, message: States) -> None:
        with self.stream.lock:
            history = self.stream.cameras[camera]
            history.told_s = time.monotonic()
            for state in message.states:
                stamp_ns = to_ns(state.header.stamp)
                if state.reason == StateDescription.LOST:
                    history.lost(state.query, state.previous_text, stamp_ns)
                else:
                    history.told(state.query, state_view(state), stamp_ns)

    def _on_segment(self, camera: str, message: Segment) -> None:
        stretch = Stretch(
            clean_text(message.query),
            to_ns(message.start),
            to_ns(message.end),
            clean_text(message.text, _MAX_TEXT),
            number(message.score),
            number(message.unfamiliarity),
        )
        with self.stream.lock:
            self.stream.cameras[camera].add_stretch(stretch)

    def _on_candidates(self, camera: str, message: Candidates) -> None:
        stamp_ns = to_ns(message.header.stamp)
        with self.stream.lock:
            self.stream.cameras[camera].add_candidates(
                message.query, stamp_ns, message.texts, message.shares
            )

    def _on_diagnostics(self, report: DiagnosticArray) -> None:
        for status in report.status:
            node = f"/{status.name}"
            if node in self._reporters:
                level = Level(status.level).name.lower()
                told = complaints_in(status.message)
                with self.stream.lock:
                    self.stream.reports[node] = ReportedHealth(node, level, told)
        drops = drops_of(report, self._reporters[0])
        if drops is not None:
            self.stream.set_dropped(drops)

    # What the server's threads ask for.

    def now_ns(self) -> int:
        """Return the time of the node."""
        return int(self.get_clock().now().nanoseconds)

    def trouble(self) -> str:
        """Say why nothing new comes; empty if the node is active."""
        if self.phase is Phase.ACTIVE:
            return ""
        return f"{self.get_fully_qualified_name()} is {self.failure or self.phase.value}"

    def image_age_s(self, camera: str) -> float | None:
        """Return how long ago the newest image came; None if none came to a page."""
        images = self._images
        return images.age_s(camera) if images else None

    def picture(self, camera: str, after: int) -> tuple[int, bytes]:
        """Return the newest image as JPEG and its number."""
        images = self._images
        return images.picture(camera, after) if images else (after, b"")

    def embedded(self, text: str) -> tuple[NDArray[np.float32], str]:
        """Return a text's embedding (dimension) and its space."""
        answer = self._called(EmbedText.Request(text=text), EmbedText)
        return to_vector(answer.data), answer.space_id

    def ask(self, camera: str, question: str, answers: Sequence[str]) -> Mapping[str, Any]:
        """Return how well each answer fits what a camera sees."""
        request = Ask.Request(question=question, answers=list(answers), camera=camera)
        answer = self._called(request, Ask)
        return {
            "scores": [number(score) for score in answer.scores],
            "cosines": [number(cosine) for cosine in answer.cosines],
            "best": answer.best,
            "unfamiliarity": number(answer.unfamiliarity),
            "fault": doubt_words(answer.image_fault) if answer.image_fault else "",
            "stamp": to_ns(answer.stamp) / 1e9,
        }

    def add_phrases(self, query: str, texts: Sequence[str]) -> None:
        """Teach the describer phrases."""
        self._called(AddPhrases.Request(query=query, texts=list(texts)), AddPhrases)

    def _called(self, request: Any, kind: type) -> Any:
        client = self._callers.get(kind)
        if client is None or self.phase is not Phase.ACTIVE:
            raise NotNowError("the node live_view is not active")
        answer = client.call(request)
        if not answer.success:
            raise NotNowError(clean_text(answer.message, limit=500))
        return answer


def main() -> int:
    """Run the node."""
    return run(LiveView)


if __name__ == "__main__":
    sys.exit(main())
