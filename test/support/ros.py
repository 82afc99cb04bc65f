# SPDX-License-Identifier: Apache-2.0
"""Nodes under test in this process, and the topics and services that a test looks at them through.

Everything goes over real DDS on loopback. One executor thread runs the nodes under test and
another the test's own node, as two processes would; the test itself waits on conditions with a
deadline. Stamps are the test's own, so no test waits for time to pass.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from vljepa_ros.nodes.common.conversions import to_image, to_stamp
from vljepa_ros.nodes.common.lifecycle import ManagedNode

DEADLINE_S = 20.0
_Node = TypeVar("_Node", bound=Node)


class Inbox(list[Any]):
    """Messages of one topic, oldest first."""

    def __init__(self, changed: threading.Condition) -> None:
        super().__init__()
        self._changed = changed

    def take(self, message: Any) -> None:
        """Add a message and wake whoever waits."""
        with self._changed:
            self.append(message)
            self._changed.notify_all()

    def wait(self, count: int, deadline_s: float = DEADLINE_S) -> list[Any]:
        """Return the messages once there are ``count`` of them."""
        assert self.has(count, deadline_s), f"{len(self)} of {count} messages after {deadline_s} s"
        return list(self)

    def has(self, count: int, deadline_s: float) -> bool:
        """Tell whether there are ``count`` messages within ``deadline_s`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self) >= count, deadline_s)

    def wait_for(
        self, wanted: Callable[[Any], bool], what: str, deadline_s: float = DEADLINE_S
    ) -> Any:
        """Return the first message that is ``wanted``; ``what`` says in words which."""
        with self._changed:
            found = self._changed.wait_for(lambda: any(map(wanted, self)), deadline_s)
        assert found, f"no message with {what} after {deadline_s} s; the last: {self[-1:]}"
        return next(filter(wanted, self))


class Bench:
    """A place to run nodes and to talk with them."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._changed = threading.Condition()
        self._clients = threading.Lock()
        self._nodes: list[Node] = []
        self._under_test = _Spinner(self.context)
        self._own = _Spinner(self.context)
        self.node = Node("bench", context=self.context)
        self._own.executor.add_node(self.node)
        self._clock = self.node.create_publisher(Clock, "/clock", 10)

    def add(self, make: Callable[..., _Node], **parameters: Any) -> _Node:
        """Make a node with these parameters and spin it."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = make(parameter_overrides=overrides, context=self.context)
        self._nodes.append(node)
        self._under_test.executor.add_node(node)
        return node

    def inbox(self, kind: type, topic: str, qos: QoSProfile | int = 50) -> Inbox:
        """Subscribe to a topic."""
        inbox = Inbox(self._changed)
        self.node.create_subscription(kind, topic, inbox.take, qos)
        return inbox

    def wait(self, holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until something that no message tells ``holds``; ``what`` says it in words."""
        with self._changed:
            deadline = _deadline(deadline_s)
            while not holds():
                assert next(deadline), f"not within {deadline_s} s: {what}"
                self._changed.wait(0.01)

    def wait_heard(self, node: Node, topic: str, by: int = 1) -> None:
        """Wait until what ``node`` publishes on ``topic`` has found so many subscribers."""

        def readers() -> int:
            counts = (p.get_subscription_count() for p in node.publishers if p.topic_name == topic)
            return sum(counts)

        self.wait(lambda: readers() >= by, f"{by} readers of {topic}")

    def call(self, kind: type, service: str, deadline_s: float = DEADLINE_S, **fields: Any) -> Any:
        """Call a service and return its response."""
        with self._clients:  # made by two threads at once, one may never find its service
            client = self.node.create_client(kind, service)
            assert client.wait_for_service(deadline_s), f"no service {service}"
        done = threading.Event()
        future = client.call_async(kind.Request(**fields))
        future.add_done_callback(lambda _: done.set())
        if kind is GetState and not done.wait(deadline_s / 4):
            # The middleware drops the answer to a client that the node has not found yet.
            future = client.call_async(kind.Request(**fields))
            future.add_done_callback(lambda _: done.set())
        assert done.wait(deadline_s), f"no answer from {service} within {deadline_s} s"
        with self._clients:
            self.node.destroy_client(client)
        return future.result()

    def set_parameters(self, node: str, **values: Any) -> Any:
        """Set parameters of a node together, as ``ros2 param set`` does; return its result."""
        parameters = [Parameter(n, value=v).to_parameter_msg() for n, v in values.items()]
        service = f"{node}/set_parameters_atomically"
        return self.call(SetParametersAtomically, service, parameters=parameters).result

    def transition(self, node: str, label: str = "", number: int = 0) -> bool:
        """Ask for a transition of a node's life by label or id; tell whether it worked."""
        wanted = Transition(label=label, id=number)
        return bool(self.call(ChangeState, f"{node}/change_state", transition=wanted).success)

    def diagnostics(self, node: str) -> Inbox:
        """Return the diagnostics of one node: level, message, and values by key."""
        inbox = Inbox(self._changed)

        def take(report: DiagnosticArray) -> None:
            for status in report.status:
                if status.name == node:
                    inbox.take(Report(status))

        self.node.create_subscription(DiagnosticArray, "/diagnostics", take, 50)
        return inbox

    def camera(self, topic: str = "image_raw", *, kind: type = Image, **qos: Any) -> Camera:
        """Return a publisher of images; best effort unless told otherwise."""
        qos.setdefault("reliability", QoSReliabilityPolicy.BEST_EFFORT)
        publisher = self.node.create_publisher(kind, topic, QoSProfile(depth=10, **qos))
        return Camera(self, publisher)

    def set_clock(self, node: Node, time_ns: int) -> None:
        """Set the simulated time of a node and wait until it has it."""
        ready = self._clock.get_subscription_count
        self.wait(lambda: ready() > 0, f"{node.get_name()} listens to /clock")
        self._clock.publish(Clock(clock=to_stamp(time_ns)))
        self.wait(lambda: node.get_clock().now().nanoseconds == time_ns, "simulated time")

    def close(self) -> None:
        """Stop everything and take it down."""
        self._under_test.stop()
        self._own.stop()
        for node in self._nodes:
            if isinstance(node, ManagedNode):
                node.close()
            node.destroy_node()
        self.node.destroy_node()


class Report:
    """One diagnostic status, easier to read."""

    def __init__(self, status: Any) -> None:
        self.level: bytes = status.level
        self.message: str = status.message
        self.values = {pair.key: pair.value for pair in status.values}

    def __repr__(self) -> str:
        return f"{self.level!r} {self.message} {self.values}"


class Camera:
    """Publishes images with the test's own stamps."""

    def __init__(self, bench: Bench, publisher: Any) -> None:
        self._bench = bench
        self.publisher = publisher

    def wait_matched(self, count: int = 1) -> Camera:
        """Wait until ``count`` subscribers have been found."""
        topic = self.publisher.topic_name
        self._bench.wait(
            lambda: self.publisher.get_subscription_count() >= count, f"a subscriber of {topic}"
        )
        return self

    def send(self, image: NDArray[np.uint8], stamp_ns: int, frame_id: str = "camera") -> None:
        """Publish an RGB image."""
        self.publisher.publish(to_image(image, to_stamp(stamp_ns), frame_id))


class _Spinner:
    """An executor in a thread; what a callback raises fails the test at the end."""

    def __init__(self, context: Context) -> None:
        self.executor = SingleThreadedExecutor(context=context)
        self._error: BaseException | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        try:
            while not self._stop:
                self.executor.spin_once()
        except ExternalShutdownException:
            pass
        except BaseException as error:
            self._error = error

    def stop(self) -> None:
        self._stop = True
        self.executor.create_task(lambda: None)  # spin_once returns only after some work
        self._thread.join(DEADLINE_S)
        self.executor.shutdown(0.0)
        if self._error is not None:
            raise self._error


def _deadline(seconds: float) -> Iterator[bool]:
    """Yield True until ``seconds`` have passed."""
    end = time.monotonic() + seconds
    while True:
        yield time.monotonic() < end


@contextmanager
def participant() -> Iterator[Context]:
    """One participant of the middleware.

    Tests share one: where each had its own, nodes of earlier tests, whose farewell the others had
    missed, went on living in the graph for some time and made services look half there.
    """
    context = Context()
    rclpy.init(context=context)
    try:
        yield context
    finally:
        rclpy.shutdown(context=context)


@contextmanager
def bench(context: Context) -> Iterator[Bench]:
    """A bench that is taken down in any case."""
    it = Bench(context)
    try:
        yield it
    finally:
        it.close()
