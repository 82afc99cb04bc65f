# SPDX-License-Identifier: Apache-2.0
"""Looks at a running system for some seconds, as one more node of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.executors import Executor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from vljepa_msgs.msg import ModelInfo
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.doctor.image_watch import ImageWatch
from vljepa_ros.nodes.doctor.observation import NodeReport, Observation

_DISCOVERY_S = 2.0
_ANSWER_S = 10.0  # for nodes of a busy computer to answer
_EMBEDDER, _DESCRIBER = "vljepa_msgs/srv/Ask", "vljepa_msgs/srv/Describe"
_KINDS = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}
_TOLD = ("vljepa_msgs/msg/StateDescription", "vljepa_msgs/msg/States", "vljepa_msgs/msg/Segment")
_OURS = "state"  # a value that each node of this package reports


def observe(node: Node, executor: Executor, seconds: float) -> Observation:
    """Spin ``node`` in ``executor`` for a while, and return what was seen.

    Args:
        node: A node of the doctor's own.
        executor: Has the node.
        seconds: How long to look, after a time in which nodes find each other.
    """
    observer = _Observer(node)
    _spin(executor, _DISCOVERY_S)
    observer.begin()
    _spin(executor, seconds)
    _spin(executor, _ANSWER_S, until=observer.has_all_answers)
    return observer.end()


def _spin(executor: Executor, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Spin for some seconds, or until something holds."""
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0 and not until():
        executor.spin_once(timeout_sec=left_s)


class _Observer:
    """Collects what a system tells."""

    def __init__(self, node: Node) -> None:
        """Begin to listen to what needs no knowledge of the graph."""
        self._node = node
        self._reports: dict[str, NodeReport] = {}
        self._infos: dict[str, ModelInfo] = {}
        self._watches: dict[str, ImageWatch] = {}
        self._asked: dict[str, tuple[Any, Any]] = {}  # state and sim time, by node
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_report, 100)

    def begin(self) -> None:
        """Look at the graph, and listen to what it names."""
        self._embedders = self._servers(_EMBEDDER)
        self._describers = self._servers(_DESCRIBER)
        for name in {*self._embedders, *self._describers, *self._reports}:
            self._asked[name] = (
                self._ask(GetState, f"{name}/get_state", GetState.Request()),
                self._ask(
                    GetParameters,
                    f"{name}/get_parameters",
                    GetParameters.Request(names=["use_sim_time"]),
                ),
            )
        for name in self._embedders:
            self._listen_to(name)

    def has_all_answers(self) -> bool:
        """Whether each node has answered what it was asked."""
        return all(answer.done() for pair in self._asked.values() for answer in pair)

    def end(self) -> Observation:
        """Return what was seen."""
        node = self._node
        return Observation(
            nodes=[name for name in _all_nodes(node) if name != node.get_fully_qualified_name()],
            embedders=self._embedders,
            describers=self._describers,
            states={name: _state(asked[0]) for name, asked in self._asked.items()},
            sim_time={name: _sim_time(asked[1]) for name, asked in self._asked.items()},
            clock_publishers=node.count_publishers("/clock"),
            reports=self._reports,
            spaces=self._spaces(),
            backends={
                name: f"{info.backend} {info.precision}; {info.backend_reason}"
                for name, info in self._infos.items()
            },
            images={topic: watch.result() for topic, watch in self._watches.items()},
            listeners=dict(self._listeners()),
        )

    def _listen_to(self, embedder: str) -> None:
        """Listen to the model and the images of an embedder."""

        def on_info(info: ModelInfo) -> None:
            self._infos[embedder] = info

        self._node.create_subscription(
            ModelInfo, f"{embedder}/model_info", on_info, qos.latched(1)
        )
        space, _, name = embedder.rpartition("/")
        for topic, kinds in _subscriptions(self._node, name, space or "/"):
            for kind in _KINDS.keys() & set(kinds):
                self._watches[topic] = ImageWatch(self._node, topic, _KINDS[kind])

    def _servers(self, kind: str) -> list[str]:
        """Return the full names of nodes that offer a service of a type."""
        offered = self._node.get_service_names_and_types()
        return sorted({name.rpartition("/")[0] for name, kinds in offered if kind in kinds})

    def _ask(self, kind: type, service: str, request: Any) -> Any:
        return self._node.create_client(kind, service).call_async(request)

    def _spaces(self) -> dict[str, str]:
        """Return the space of each embedder and describer, as far as they have told it."""
        told = {name: info.space_id for name, info in self._infos.items()}
        for name in self._describers:
            report = self._reports.get(name)
            if report is not None and "space_id" in report.values:
                told[name] = report.values["space_id"]
        return told

    def _listeners(self) -> Iterator[tuple[str, int]]:
        """Yield the topics of the describers with their numbers of subscribers."""
        for describer in self._describers:
            space, _, name = describer.rpartition("/")
            for topic, kinds in _publications(self._node, name, space or "/"):
                if set(kinds) & set(_TOLD):
                    yield topic, self._node.count_subscribers(topic)

    def _on_report(self, report: DiagnosticArray) -> None:
        for status in report.status:
            values = {pair.key: pair.value for pair in status.values}
            if _OURS in values:
                is_fine = status.level == DiagnosticStatus.OK
                name = f"/{status.name.lstrip('/')}"
                self._reports[name] = NodeReport(is_fine, status.message, values)


def _all_nodes(node: Node) -> Iterator[str]:
    for name, namespace in node.get_node_names_and_namespaces():
        yield f"{namespace.rstrip('/')}/{name}"


def _subscriptions(node: Node, name: str, namespace: str) -> list[tuple[str, list[str]]]:
    try:
        return node.get_subscriber_names_and_types_by_node(name, namespace)
    except RuntimeError:  # NodeNameNonExistentError: it has just ended
        return []


def _publications(node: Node, name: str, namespace: str) -> list[tuple[str, list[str]]]:
    try:
        return node.get_publisher_names_and_types_by_node(name, namespace)
    except RuntimeError:
        return []


def _state(answer: Any) -> str | None:
    return str(answer.result().current_state.label) if answer.done() else None


def _sim_time(answer: Any) -> bool | None:
    if not answer.done() or not answer.result().values:
        return None
    return bool(answer.result().values[0].bool_value)
