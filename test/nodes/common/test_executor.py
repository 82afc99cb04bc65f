# SPDX-License-Identifier: Apache-2.0
"""No exception of any callback ends a node: it is answered, logged once and counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.waitable import NumberOfEntities, Waitable
from std_msgs.msg import Empty

from support.ros import DEADLINE_S, Bench
from vljepa_msgs.msg import Query
from vljepa_msgs.srv import EmbedText, SetQueries
from vljepa_ros.nodes.common.diagnostics import INTERNAL_ERRORS
from vljepa_ros.nodes.common.executor import GuardedExecutor
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.model import VLJepa

_Node = TypeVar("_Node", bound=ManagedNode)
UNKNOWN_TYPE = ParameterValue(type=10)


def fail(*_: object) -> None:
    raise ZeroDivisionError("of a kind that nobody thought of")


async def fail_later(*_: object) -> None:
    fail()


class Trap(Waitable):
    """Is ready at once, as an event of the middleware or an action may be, and then fails."""

    def __init__(self, node: Node, stage: str) -> None:
        super().__init__(node.default_callback_group)
        self._stage, self._sprung = stage, False
        node.add_waitable(self)

    def is_ready(self, wait_set: Any) -> bool:
        ready, self._sprung = not self._sprung, True
        return ready

    def take_data(self) -> None:
        if self._stage == "take":
            fail()

    async def execute(self, taken_data: None) -> None:
        fail()

    def get_num_entities(self) -> NumberOfEntities:
        return NumberOfEntities()

    def add_to_wait_set(self, wait_set: Any) -> None:
        """It has no entity of the middleware."""

    def __enter__(self) -> None:
        """Nothing can be destroyed meanwhile."""

    def __exit__(self, *_: object) -> None:
        """Nothing was held."""


def on_timer(ros: Bench, node: ManagedNode) -> None:
    timer = node.create_timer(
        0.0, lambda: (timer.cancel(), fail()), clock=Clock(clock_type=ClockType.STEADY_TIME)
    )


def on_message(ros: Bench, node: ManagedNode) -> None:
    node.create_subscription(Empty, "anything", fail, 1)
    publisher = ros.node.create_publisher(Empty, "anything", 1)
    ros.wait(lambda: publisher.get_subscription_count() == 1, "the node listens")
    publisher.publish(Empty())


def on_guard_condition(ros: Bench, node: ManagedNode) -> None:
    node.create_guard_condition(fail).trigger()


def in_task(ros: Bench, node: ManagedNode) -> None:
    node.executor.create_task(fail_later)


def at_done_future(ros: Bench, node: ManagedNode) -> None:
    node.executor.create_task(lambda: None).add_done_callback(fail)


def in_event(ros: Bench, node: ManagedNode) -> None:
    Trap(node, "execute")
    node.executor.wake()


def while_taking(ros: Bench, node: ManagedNode) -> None:
    Trap(node, "take")
    node.executor.wake()


KINDS = (
    on_timer,
    on_message,
    on_guard_condition,
    in_task,
    at_done_future,
    in_event,
    while_taking,
)


@contextmanager
def spinning(node: _Node, context: Context) -> Iterator[_Node]:
    """Spin a node in a thread; an exception that comes through fails the test."""
    executor = GuardedExecutor(context=context)
    executor.add_node(node)
    ended = threading.Event()
    errors: list[BaseException] = []

    def spin() -> None:
        try:
            while not ended.is_set():
                executor.spin_once()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield node
    finally:
        ended.set()
        executor.create_task(lambda: None)
        thread.join(DEADLINE_S)
        executor.shutdown(0.0)
        node.close()
        node.destroy_node()
    assert not errors, errors


@pytest.fixture
def plain(ros: Bench, context: Context) -> Iterator[ManagedNode]:
    """A node in an executor as processes have it."""
    with spinning(ManagedNode("plain", (), context=context), context) as node:
        yield node


@pytest.mark.parametrize("provoke", KINDS)
def test_a_callback_that_raises_is_counted_and_the_node_goes_on(
    ros: Bench,
    plain: ManagedNode,
    provoke: Callable[[Bench, ManagedNode], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    ros.wait(lambda: plain.phase is Phase.ACTIVE, "it is active")
    provoke(ros, plain)
    ros.wait(lambda: plain.tally[INTERNAL_ERRORS] == 1, "it is counted")
    assert ros.call(GetParameters, "plain/get_parameters", names=["autostart"]).values
    assert capfd.readouterr().err.count("nobody thought of") == 1


@pytest.mark.parametrize("callback", [fail, fail_later])
def test_a_service_that_raises_is_answered(
    ros: Bench, plain: ManagedNode, callback: Callable[..., Any]
) -> None:
    plain.create_service(EmbedText, "~/fragile", callback)
    for number in (1, 2):
        answer = ros.call(EmbedText, "plain/fragile")
        assert (answer.success, answer.message) == (
            False,
            "internal error: ZeroDivisionError: of a kind that nobody thought of",
        )
        assert plain.tally[INTERNAL_ERRORS] == number


def test_a_parameter_of_an_unknown_type_is_answered_by_rclpys_own_services(
    ros: Bench, plain: ManagedNode
) -> None:
    good = Parameter(name="autostart", value=ParameterValue(type=1, bool_value=True))
    bad = Parameter(name="autostart", value=UNKNOWN_TYPE)
    several = ros.call(SetParameters, "plain/set_parameters", parameters=[bad, good])
    assert [result.successful for result in several.results] == [False, False]
    assert "10" in several.results[0].reason
    together = ros.call(
        SetParametersAtomically, "plain/set_parameters_atomically", parameters=[good, bad]
    )
    assert not together.result.successful and "10" in together.result.reason
    assert plain.tally[INTERNAL_ERRORS] == 2


def test_a_model_that_fails_at_a_text_is_answered(
    ros: Bench, context: Context, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer that lacks its unknown token, and a Y-Encoder that fails, did that."""
    node = Embedder(
        parameter_overrides=[],
        context=context,
        cli_args=["--ros-args", "-p", f"bundle:={bundle}", "-p", "queries:=['colour']"],
    )
    with spinning(node, context):
        ros.wait(lambda: node.phase is Phase.ACTIVE, "it is active")

        def no_such_token(self: VLJepa, text: str) -> None:
            raise Exception("WordLevel error: Missing [UNK] token from the vocabulary")

        def broken(self: VLJepa, text: str) -> None:
            raise BackendError("the device is busy")

        monkeypatch.setattr(VLJepa, "embed_text", no_such_token)
        monkeypatch.setattr(VLJepa, "encode_query", broken)
        answer = ros.call(EmbedText, "embedder/embed_text", text="a zebra")
        assert not answer.success and "Missing [UNK]" in answer.message
        queries = [Query(name="own", text="What colour is it?")]
        answer = ros.call(SetQueries, "embedder/set_queries", queries=queries)
        assert not answer.success and "the device is busy" in answer.message
        assert node.parameters["queries"] == ["colour"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, ExternalShutdownException])
def test_what_ends_a_process_goes_through(
    context: Context, interrupt: type[BaseException]
) -> None:
    def end() -> None:
        raise interrupt

    executor = GuardedExecutor(context=context)
    executor.create_task(end)
    with pytest.raises(interrupt):
        executor.spin_once(1.0)
    executor.shutdown(0.0)
