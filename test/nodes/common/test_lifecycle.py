# SPDX-License-Identifier: Apache-2.0
"""A node's life, used and abused: legal answers, no leaks, and a cause for every failure."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from rclpy.node import Node

from support.film import Film
from support.ros import Bench
from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.diagnostics import Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Change, ParameterSpec, Phase
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

NODES = pytest.mark.parametrize("make", [Embedder, Describer])
CYCLES = 30


def state(ros: Bench, node: ManagedNode) -> str:
    return str(ros.call(GetState, f"{node.get_name()}/get_state").current_state.label)


def entities(node: Node) -> dict[str, int]:
    """Count what a node has in the middleware, and the threads of this process."""
    kinds = ("publishers", "subscriptions", "services", "timers", "guards", "waitables")
    return {
        **{kind: len(list(getattr(node, kind))) for kind in kinds},
        "threads": threading.active_count(),
    }


@NODES
def test_without_autostart_a_node_waits_for_its_manager(
    ros: Bench, bundle: str, make: type[ManagedNode]
) -> None:
    node = ros.add(make, bundle=bundle, autostart=False)
    name = node.get_name()
    assert state(ros, node) == "unconfigured"
    assert ros.transition(name, "configure") and state(ros, node) == "inactive"
    assert ros.transition(name, "activate") and state(ros, node) == "active"
    assert ros.transition(name, "deactivate") and state(ros, node) == "inactive"
    assert ros.transition(name, "cleanup") and state(ros, node) == "unconfigured"


@NODES
def test_transitions_that_are_not_possible_are_answered(
    ros: Bench, bundle: str, make: type[ManagedNode]
) -> None:
    node = ros.add(make, bundle=bundle, autostart=False)
    name = node.get_name()
    assert not ros.transition(name, "activate")
    assert not ros.transition(name, "cleanup")
    assert not ros.transition(name, "no such transition")
    assert not ros.transition(name, number=Transition.TRANSITION_ACTIVATE)
    assert not ros.transition(name, number=200)
    assert ros.transition(name, number=Transition.TRANSITION_CONFIGURE)
    assert not ros.transition(name, number=Transition.TRANSITION_CONFIGURE)
    assert not ros.transition(name, "configure")
    assert state(ros, node) == "inactive"


@NODES
def test_autostart_happens_once(ros: Bench, bundle: str, make: type[ManagedNode]) -> None:
    node = ros.add(make, bundle=bundle)
    ros.wait(lambda: node.phase is Phase.ACTIVE, "it is active")
    assert ros.transition(node.get_name(), "deactivate")
    assert state(ros, node) == "inactive"
    assert ros.transition(node.get_name(), "cleanup")
    assert len(list(node.timers)) == 2, "those of the diagnostics and of the namesakes"


@NODES
@pytest.mark.parametrize("steps", [(), ("configure",), ("configure", "activate")])
def test_shutdown_ends_every_state_and_the_thread(
    ros: Bench, bundle: str, make: type[ManagedNode], steps: tuple[str, ...]
) -> None:
    threads = threading.active_count()
    node = ros.add(make, bundle=bundle, autostart=False)
    name = node.get_name()
    for step in steps:
        assert ros.transition(name, step)
    assert threading.active_count() == threads + bool(steps)
    assert ros.transition(name, "shutdown")
    assert state(ros, node) == "finalized"
    assert node.phase is Phase.FINALIZED
    assert threading.active_count() == threads
    assert not ros.transition(name, "configure")


@NODES
def test_many_lives_leave_nothing_behind(ros: Bench, bundle: str, make: type[ManagedNode]) -> None:
    node = ros.add(make, bundle=bundle, autostart=False)
    name = node.get_name()
    born = entities(node)
    for _ in range(3):
        assert ros.transition(name, "configure")
        inactive = entities(node)
        for _ in range(CYCLES // 3):
            assert ros.transition(name, "activate")
            assert ros.transition(name, "deactivate")
        assert entities(node) == inactive
        assert ros.transition(name, "cleanup")
    assert entities(node) == born


def test_after_many_lives_an_embedder_still_embeds(ros: Bench, bundle: str) -> None:
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    ros.add(Embedder, bundle=bundle, queries=["colour"], autostart=False)
    assert ros.transition("embedder", "configure")
    camera = ros.camera()
    for start_s in range(1, 4):
        assert ros.transition("embedder", "activate")
        camera.wait_matched()
        Film(camera, embeddings, start_ns=start_s * 10**12).roll("red")
        assert ros.transition("embedder", "deactivate")
        ros.wait(lambda: camera.publisher.get_subscription_count() == 0, "it is gone")


@NODES
def test_a_bundle_that_cannot_be_used_is_reported_and_can_be_replaced(
    ros: Bench, bundle: str, make: type[ManagedNode], tmp_path: Any
) -> None:
    node = ros.add(make, bundle=str(tmp_path / "nowhere"))
    name = node.get_name()
    reports = ros.diagnostics(name)
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert str(tmp_path / "nowhere") in report.message
    assert "check the parameter 'bundle'" in report.message
    assert state(ros, node) == "unconfigured"

    assert ros.set_parameters(name, bundle=bundle).successful
    assert ros.transition(name, "configure")
    assert ros.transition(name, "activate")
    reports.wait_for(lambda r: r.values["state"] == "active", "an active node")


def test_queries_that_cannot_be_used_are_reported(ros: Bench, bundle: str) -> None:
    reports = ros.diagnostics("embedder")
    threads = threading.active_count()
    node = ros.add(Embedder, bundle=bundle, queries=["weather"])
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert "no query 'weather'; it has colour, brightness" in report.message
    assert node.phase is Phase.UNCONFIGURED
    assert threading.active_count() == threads


_TABLE = (
    ParameterSpec("live", 1.0, "Live.", Change.LIVE, 0.0, 10.0),
    ParameterSpec("count", 1, "Live.", Change.LIVE, 1, 10),
    ParameterSpec("mode", "slow", "Fixed.", Change.INACTIVE, choices=("slow", "fast")),
    ParameterSpec("file", "a", "Fixed.", Change.UNCONFIGURED),
)


class Clumsy(ManagedNode):
    """Fails wherever a test wants it to."""

    def __init__(self, **options: Any) -> None:
        super().__init__("clumsy", _TABLE, **options)
        self.failing = ""
        self.steps: list[str] = []
        self.applied: list[Mapping[str, Any]] = []

    def do_configure(self) -> None:
        self._step("configure")

    def do_activate(self) -> None:
        self._step("activate")

    def do_deactivate(self) -> None:
        self._step("deactivate")

    def do_cleanup(self) -> None:
        self._step("cleanup")

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        if changed.get("live") == 7.0:
            raise ValueError("seven is not possible")
        self.applied.append(changed)

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.failing:
            raise OSError(f"no {name} today")


@pytest.fixture
def clumsy(ros: Bench) -> Clumsy:
    return ros.add(Clumsy, autostart=False)


@pytest.mark.parametrize(
    ("failing", "ends", "steps"),
    [
        ("configure", "unconfigured", ["configure", "cleanup"]),
        ("activate", "inactive", ["configure", "activate", "deactivate"]),
        ("deactivate", "inactive", ["configure", "activate", "deactivate"]),
        ("cleanup", "unconfigured", ["configure", "activate", "deactivate", "cleanup"]),
    ],
)
def test_an_exception_in_a_transition_ends_in_a_legal_state_and_is_reported(
    ros: Bench, clumsy: Clumsy, failing: str, ends: str, steps: list[str]
) -> None:
    reports = ros.diagnostics("clumsy")
    clumsy.failing = failing
    for label in ("configure", "activate", "deactivate", "cleanup"):
        ros.transition("clumsy", label)
        if label == failing:
            break
    assert clumsy.steps == steps
    assert state(ros, clumsy) == ends == clumsy.phase.value
    report = reports.wait_for(lambda r: r.level == Level.ERROR.value, "the error")
    assert report.message == f"{failing} failed: no {failing} today"

    clumsy.failing = ""
    if clumsy.phase is Phase.UNCONFIGURED:
        assert ros.transition("clumsy", "configure")
    assert ros.transition("clumsy", "activate")
    reports.wait_for(lambda r: r.values["state"] == "active", "an active node")


def test_a_parameter_is_changed_only_when_the_table_allows_it(ros: Bench, clumsy: Clumsy) -> None:
    allowed = {"unconfigured": {"live", "mode", "file"}, "inactive": {"live", "mode"}}
    values = iter(range(2, 7))
    for label in ("configure", "activate", ""):
        phase = clumsy.phase.value
        wanted = {"live": float(next(values)), "mode": "fast", "file": phase}
        for name, value in wanted.items():
            result = ros.set_parameters("clumsy", **{name: value})
            assert result.successful == (name in allowed.get(phase, {"live"})), (phase, name)
            if not result.successful:
                assert f"the node is {phase}" in result.reason
        ros.set_parameters("clumsy", mode="slow")
        if label:
            assert ros.transition("clumsy", label)


def test_a_request_is_applied_whole_or_not_at_all(ros: Bench, clumsy: Clumsy) -> None:
    for refused in (
        {"live": 2.0, "mode": "sideways"},
        {"live": 2.0, "count": 11},
        {"live": 7.0, "count": 2},
        {"live": 2.0, "autostart": True},
        {"live": float("inf")},
    ):
        result = ros.set_parameters("clumsy", **refused)
        assert not result.successful and result.reason
    assert clumsy.applied == []
    assert (clumsy.parameters["live"], clumsy.parameters["count"]) == (1.0, 1)

    assert ros.set_parameters("clumsy", live=2.0, count=1, mode="fast").successful
    assert clumsy.applied == [{"live": 2.0, "mode": "fast"}]
    assert (clumsy.parameters["live"], clumsy.parameters["mode"]) == (2.0, "fast")
