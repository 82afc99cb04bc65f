# SPDX-License-Identifier: Apache-2.0
"""The visualizer node: the states as an overlay on the images and as marker texts in space.

Subscribing to images and drawing are the costly part, so both happen only while `~/overlay` has a
subscriber. The states are collected all the time, so that the first picture is complete.

Durations and ages are measured against the node's clock, so nothing that is late or stands still
looks fresh. If images stop, the last one is shown in grey with its age, again and again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType, JumpHandle
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from vljepa_msgs.msg import Embedding, ModelInfo, StateDescription, States
from vljepa_ros.nodes.board_feed import state_view
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.complaints import NO_DESCRIBER, NO_EMBEDDER, OLD_STAMPS
from vljepa_ros.nodes.common.conversions import to_image, to_ns, to_rgb
from vljepa_ros.nodes.common.diagnostics import Health, Level, Rate
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import Listener
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.common.worker import Worker
from vljepa_ros.nodes.diagnostic_keys import IMAGES_REFUSED, aspect_of, drops_of
from vljepa_ros.nodes.image_topic import image_topic
from vljepa_ros.nodes.markers import state_markers
from vljepa_ros.nodes.parameter_tables import VISUALIZER
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.stamp_gate import StampGate
from vljepa_ros.views.board import BoardView, StateBoard
from vljepa_ros.views.overlay import OverlayPainter
from vljepa_ros.views.text_runs import lacks_letters

_DEMAND_PERIOD_S = 0.2
_MARKER_PERIOD_S = 0.5
_REPEAT_S = 0.5  # period in which the last image is shown again if no other comes
_SILENCE_S = 2.0  # without an image, before that begins
_OLD_S = 5.0  # age of arriving embeddings that is a fault
_MAX_GAP_S = 1.0
_NO_IMAGE = np.zeros((480, 640, 3), np.uint8)  # in the place of the first one
_NO_FRAME = "camera"  # in which texts stand if the images name no frame; also the replay's


@dataclass(frozen=True)
class _Picture:
    """An image message, or None for the last one again, and what is to be drawn beside it."""

    message: Image | CompressedImage | None
    view: BoardView


class Visualizer(ManagedNode):
    """Publishes overlay images and marker texts."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; topics follow on configure and activate."""
        super().__init__("visualizer", VISUALIZER, **options)
        self._board = StateBoard()
        self._painter = OverlayPainter()
        self._gate = StampGate(self.parameters["max_rate_hz"], _MAX_GAP_S)
        self._drawn = Rate()
        self._frame_id = ""
        self._last: tuple[NDArray[np.uint8], Header] | None = None  # drawn, set by the worker
        self._fresh_s = self._repeated_s = 0.0  # when an image was drawn, and when one again
        self._embedder = ""
        self._worker: Worker[_Picture] | None = None
        self._overlay: Any = None
        self._markers: Any = None
        self._images: Listener | None = None
        self._embeddings: Listener | None = None
        self._states: Listener | None = None
        self._listeners: list[Listener] = []
        self._clockwork: list[Any] = []
        self._jumps: JumpHandle | None = None

    def do_configure(self) -> None:
        """Create the publishers."""
        self._overlay = self.create_lifecycle_publisher(
            Image,
            "~/overlay",
            qos.reliable(5),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._markers = self.create_lifecycle_publisher(MarkerArray, "~/markers", qos.reliable(1))
        self._worker = Worker(self._draw, on_error=self._on_drawing_error, wake=self.wake)

    def do_activate(self) -> None:
        """Subscribe to all but the images, which wait for a subscriber of the overlay."""
        self._forget()
        self._embedder = self.resolve_topic_name("embedder/embedding").rpartition("/")[0]
        embeddings = self._listen(
            Embedding, "embedder/embedding", self._on_embedding, qos.embeddings()
        )
        self._embeddings = embeddings
        self._states = self._listen(States, "describer/states", self._on_states, qos.latched(1))
        self._listeners = [
            self._listen(ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1)),
            embeddings,
            self._listen(StateDescription, "describer/state", self._on_state, qos.latched(10)),
            self._states,
            self._listen(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.reliable(10)),
        ]
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._clockwork = [
            self.create_timer(_DEMAND_PERIOD_S, self._follow_demand, clock=steady),
            self.create_timer(_MARKER_PERIOD_S, self._publish_markers, clock=steady),
        ]
        self._jumps = on_clock_jump(self, self._forget)

    def do_deactivate(self) -> None:
        """Unsubscribe and forget the states."""
        for timer in self._clockwork:
            self.destroy_timer(timer)
        for listener in self._listeners:
            listener.close()
        self._clockwork, self._listeners = [], []
        self._embeddings = self._states = None
        self._stop_images()
        if self._jumps is not None:
            self._jumps.unregister()
            self._jumps = None

    def do_cleanup(self) -> None:
        """Stop drawing and withdraw the topics."""
        self.close()
        for publisher in (self._overlay, self._markers):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self._overlay = self._markers = None

    def close(self) -> None:
        """Stop the worker."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take a new rate; sizes are read when they are needed."""
        if "max_rate_hz" in changed:
            self._gate.rate_hz = changed["max_rate_hz"]

    def health(self) -> Health:
        """Report what is drawn and for how many."""
        viewers = self._overlay.get_subscription_count()
        values = {
            "overlay subscribers": viewers,
            "marker subscribers": self._markers.get_subscription_count(),
            "overlays_hz": self._drawn.read(),
            **self.tally.values(),
        }
        silences = [self._images.complaint()] if self._images else []
        if self._embeddings and self._states:
            silences.append(self._embeddings.complaint(NO_EMBEDDER))
            silences.append(self._states.complaint(NO_DESCRIBER))
        if any(silences):
            return Health(Level.STALE, "; ".join(filter(None, silences)), values)
        age_s = self._view().age_s or 0.0
        if age_s > _OLD_S:
            return Health(Level.WARN, OLD_STAMPS.told(f"{age_s:.0f}"), values)
        return Health(Level.OK, "drawing" if viewers else "nobody looks at the overlay", values)

    def _follow_demand(self) -> None:
        """Subscribe to the images while the overlay has a subscriber; show the last one again."""
        wanted = self._overlay.get_subscription_count() > 0
        if wanted and self._images is None:
            self._images = self._listen(*image_topic(self), self._on_image, qos.sensor_data())
            self._fresh_s = time.monotonic()
        elif not wanted:
            self._stop_images()
        else:
            self._show_silence()

    def _show_silence(self) -> None:
        """Draw the last image again with its age, so that an old picture never looks fresh."""
        now_s = time.monotonic()
        age_s = now_s - self._fresh_s
        limit_s = max(_SILENCE_S, 2 / self.parameters["max_rate_hz"])
        if self._worker is None or age_s < limit_s or now_s - self._repeated_s < _REPEAT_S:
            return
        self._repeated_s = now_s
        view = replace(self._view(), image_age_s=age_s)
        self._worker.put(_Picture(None, view))

    def _listen(
        self, kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile
    ) -> Listener:
        return Listener(self, kind, topic, callback, profile, self.tally)

    def _stop_images(self) -> None:
        if self._images is not None:
            self._images.close()
            self._images = self._last = None
        if self._worker is not None:
            self._worker.clear()

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp_ns = to_ns(message.header.stamp) or self._now_ns()
        if self._worker is None or not self._gate.admit(stamp_ns).accepted:
            return
        if self._worker.put(_Picture(message, self._view())):
            self.tally.count("images replaced by newer ones")

    def _draw(self, picture: _Picture) -> None:
        """Draw and publish; in the worker."""
        if picture.message is not None:
            try:
                self._last = to_rgb(picture.message), picture.message.header
            except ImageError as error:
                self.tally.warn(f"{IMAGES_REFUSED}: {error.cause}", f"image refused: {error}")
                return
            self._fresh_s = time.monotonic()
            self._drawn.tick()
        image, header = self._last or (_NO_IMAGE, Header())
        drawn = self._painter.draw(image, picture.view)
        self._overlay.publish(to_image(drawn, header.stamp, header.frame_id))

    def _on_drawing_error(self, error: Exception) -> None:
        if self.context.ok():
            self.tally.warn("drawing failures", f"{type(error).__name__}: {error}")

    def _on_model_info(self, info: ModelInfo) -> None:
        self._board.set_questions([(query.name, query.text) for query in info.queries])

    def _on_embedding(self, message: Embedding) -> None:
        self._board.add_embedding(message.query, to_ns(message.header.stamp))

    def _on_state(self, message: StateDescription) -> None:
        if message.reason == StateDescription.FORCED:
            return  # it was asked for; the current state stays
        self._frame_id = clean_text(message.header.frame_id) or self._missing_frame()
        stamp_ns = to_ns(message.header.stamp)
        if message.reason == StateDescription.LOST:
            self._board.lose_state(message.query, message.previous_text, stamp_ns)
            return
        self._board.add_state(message.query, state_view(message), stamp_ns)
        if lacks_letters(clean_text(message.text)):
            self.tally.warn(
                "texts with letters that no font has",
                f"no font here has all letters of {clean_text(message.text)!r}: install "
                "fonts-noto-cjk, or the font of your language",
            )

    def _on_states(self, message: States) -> None:
        """Take the states from before this node listened."""
        known = {one.name for one in self._board.view(0).queries if one.states}
        for state in message.states:
            if clean_text(state.query) not in known:
                self._on_state(state)

    def _missing_frame(self) -> str:
        self.tally.warn(
            "states without frame_id",
            f"the images name no frame, so the marker texts stand in {_NO_FRAME!r}: set the "
            "frame_id of the camera driver",
        )
        return _NO_FRAME

    def _on_diagnostics(self, report: DiagnosticArray) -> None:
        self._board.aspect = aspect_of(report, self._embedder) or self._board.aspect
        drops = drops_of(report, self._embedder)
        if drops is not None:
            self._board.dropped = sum(drops.values())

    def _publish_markers(self) -> None:
        if self._markers.get_subscription_count() == 0:
            return
        self._markers.publish(
            state_markers(
                self._view(),
                self._frame_id,
                self.parameters["text_size_m"],
                self.parameters["text_distance_m"],
            )
        )

    def _forget(self) -> None:
        """Forget states and stamps, for instance because the clock was set back."""
        questions = self._board.questions
        self._board = StateBoard(self._board.dropped, self._board.aspect)
        self._board.set_questions(questions)
        self._gate.reset()

    def _view(self) -> BoardView:
        """Return what is known now; states are over if the describer says nothing any more."""
        now_ns, states = self._now_ns(), self._states
        silent_s = states.silent_s if states and states.rate.total else 0.0
        self._board.set_silence(now_ns, silent_s)
        return self._board.view(now_ns)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> int:
    """Run the node."""
    return run(Visualizer)


if __name__ == "__main__":
    sys.exit(main())
