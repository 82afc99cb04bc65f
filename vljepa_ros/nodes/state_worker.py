# SPDX-License-Identifier: Apache-2.0
"""The describer's work: state events of all cameras into words, in one thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from rclpy.task import Future

from vljepa_msgs.msg import StateDescription
from vljepa_ros.nodes.camera_describer import CameraDescriber, DescriberModel, StateRules
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.worker import Worker, WorkerStoppedError
from vljepa_ros.stream.state_events import NothingToDescribeError, StateEvent


class StateWorker:
    """Takes embeddings and publishes states and segments from :meth:`start` to :meth:`stop`.

    Attributes:
        model: what finds changes and words.
        cameras: by name.
    """

    def __init__(
        self,
        node: ManagedNode,
        model: DescriberModel,
        cameras: Sequence[str],
        rules: StateRules,
    ) -> None:
        """Start the thread and create the publishers of the cameras."""
        self._node = node
        self.model = model
        self._thread = Worker(self._publish, on_error=self._on_error, wake=node.wake)
        self.cameras = {
            camera: CameraDescriber(node, camera, model, self._thread, rules) for camera in cameras
        }
        self._listening = False

    def start(self) -> None:
        """Subscribe to the embeddings."""
        self._listening = True
        for camera in self.cameras.values():
            camera.start()

    def stop(self) -> None:
        """Unsubscribe, publish what has ended with that, and forget the states."""
        for camera in self.cameras.values():
            camera.stop()
        if not self._thread.drain():
            cause = "the decoder is busy: the last segments are lost"
            self._node.tally.warn("segments lost", cause)
        self._thread.clear()
        self._listening = False

    def end_states(self, queries: Iterable[str]) -> None:
        """End the states of some queries, and wait until all that has ended has its words."""
        for camera in self.cameras.values():
            camera.end_states(queries)
        self._thread.drain()

    def stop_thread(self) -> None:
        """Stop the thread at the end of the process."""
        self._thread.stop()

    def close(self) -> None:
        """Stop the thread and destroy the publishers."""
        self._thread.stop()
        for camera in self.cameras.values():
            camera.close()

    def describe(self, camera: str, query: str) -> Future:
        """Publish the newest state of a query; the future's result is the message.

        Args:
            camera: its name; empty for the only one.
            query: its name; empty for the only one.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        event = self.camera(camera).force(query)
        return self._thread.call(partial(self._publish, event))

    def camera(self, name: str) -> CameraDescriber:
        """Return a camera; an empty name stands for the only one.

        Raises:
            NothingToDescribeError: the node is not active, or has no such camera.
        """
        if not self._listening:
            raise NothingToDescribeError("the node is not active")
        if not name and len(self.cameras) == 1:
            (name,) = self.cameras
        if name not in self.cameras:
            known = ", ".join(filter(None, self.cameras)) or "a single one, which has no name"
            raise NothingToDescribeError(f"no camera {name!r}; there is {known}")
        return self.cameras[name]

    def _publish(self, event: StateEvent) -> StateDescription | None:
        """Put an event into words and publish them; in the thread."""
        if not self._listening:
            raise WorkerStoppedError("the node is not active any more")
        return self.cameras[event.camera].publish(event)

    def _on_error(self, error: Exception) -> None:
        """Count a state that could not be described; in the thread."""
        if self._node.context.ok():  # else the process ends, and nothing can be published
            self._node.tally.warn("descriptions failed", f"{type(error).__name__}: {error}")
