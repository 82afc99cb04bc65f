# SPDX-License-Identifier: Apache-2.0
"""A planner waits, polls and asks, over real DDS and with the executors that planners use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.executors import SingleThreadedExecutor as Single
from rclpy.node import Node
from std_srvs.srv import Trigger

from support.colour_bundle import phrase
from support.ros import DEADLINE_S, Bench
from support.speaker import COUNTING, Speaker
from support.told_states import Teller
from vljepa_msgs.msg import StateDescription
from vljepa_ros.client import AnswerError, NotSeenError, SceneClient, SceneError, scene_client
from vljepa_ros.nodes.describer import Describer

_S = 1_000_000_000
EXECUTORS = [Single, MultiThreadedExecutor]


class Planner(Node):
    """A node with a client, and a service whose callback awaits."""

    def __init__(self, **options: Any) -> None:
        super().__init__("planner", **options)
        self.client = SceneClient(self)
        self.create_service(Trigger, "~/check", self.check)

    async def check(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        state = await self.client.when("open", for_s=0.0, timeout_s=DEADLINE_S)
        response.success, response.message = True, state.text
        return response


@contextmanager
def spinning(node: Node, kind: Callable[..., Any], context: Context) -> Iterator[None]:
    executor = kind(context=context)
    executor.add_node(node)
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            try:
                executor.spin_once(timeout_sec=0.1)
            except ExternalShutdownException:
                return

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        executor.shutdown(0.0)
        node.destroy_node()


@pytest.fixture
def teller(ros: Bench) -> Teller:
    return Teller(ros)


@pytest.fixture
def client(ros: Bench, teller: Teller) -> SceneClient:
    planner = ros.add(Planner)
    teller.wait_matched()
    return planner.client


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_plain_thread_waits_for_one_of_several(
    context: Context, teller: Teller, kind: Callable[..., Any]
) -> None:
    planner = Planner(context=context)
    with spinning(planner, kind, context):
        teller.tell("closed")
        future = planner.client.when("ajar", "open", for_s=0.1, timeout_s=DEADLINE_S)
        teller.wait_matched().tell("open")
        assert planner.client.wait(future).text == "open"


@pytest.mark.parametrize("kind", EXECUTORS)
def test_a_callback_awaits_while_the_node_goes_on(
    ros: Bench, context: Context, teller: Teller, kind: Callable[..., Any]
) -> None:
    planner = Planner(context=context)
    with spinning(planner, kind, context):
        answers: list[Any] = []
        asker = threading.Thread(
            target=lambda: answers.append(ros.call(Trigger, "planner/check")), daemon=True
        )
        asker.start()
        teller.wait_matched().tell("closed")
        ros.wait(lambda: planner.client.newest("object") is not None, "it hears while it awaits")
        teller.tell("open")
        asker.join(DEADLINE_S)
        assert [(one.success, one.message) for one in answers] == [(True, "open")]


def test_a_real_describer_is_believed_until_it_sees_nothing_more(ros: Bench, bundle: str) -> None:
    client = ros.add(Planner).client
    describer = ros.add(Describer, bundle=bundle, **COUNTING)
    Speaker(ros, describer).say("red", 4)
    state = client.wait(
        client.when(phrase("red"), query="colour", min_score=0.0, for_s=0.0, timeout_s=DEADLINE_S)
    )
    assert state.text == phrase("red")
    assert ros.transition("describer", "deactivate")
    ros.wait(lambda: not client.holds(phrase("red"), min_score=0.0, for_s=0.0), "it is over")


def test_what_is_not_seen_in_time_is_an_error_that_says_what_is(
    client: SceneClient, teller: Teller, ros: Bench
) -> None:
    teller.tell("closed", score=0.93)
    ros.wait(lambda: client.newest("object") is not None, "the state")
    with pytest.raises(NotSeenError, match=r"not within .* 'open' .*: 'closed' \(0.93\)"):
        client.wait(client.when("open", timeout_s=0.1))
    with pytest.raises(TimeoutError):
        client.wait(client.when("closed", min_score=0.95, for_s=0.0, timeout_s=0.1))


@pytest.mark.parametrize("reason", [StateDescription.LOST, StateDescription.UNFAMILIAR])
def test_nothing_holds_while_nothing_is_claimed(
    client: SceneClient, teller: Teller, ros: Bench, reason: int
) -> None:
    teller.tell("open")
    ros.wait(lambda: client.holds("open", for_s=0.0), "it holds")
    teller.tell("open", reason=reason)
    ros.wait(lambda: not client.holds("open", for_s=0.0), "it holds no more")


def test_a_silent_describer_is_not_believed(
    client: SceneClient, teller: Teller, ros: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller.tell("open")
    ros.wait(lambda: client.holds("open", for_s=0.0), "it holds")
    monkeypatch.setattr("vljepa_ros.client.known_states.STALE_S", 0.0)
    assert not client.holds("open", for_s=0.0)
    assert client.newest("object") is None


def test_simulated_time_alone_makes_a_state_last(ros: Bench, teller: Teller) -> None:
    planner = ros.add(Planner, use_sim_time=True)
    client = planner.client
    ros.set_clock(planner, 1000 * _S)
    teller.wait_matched().tell("open")
    ros.wait(lambda: client.holds("open", for_s=0.0), "the state")
    future = client.when("open", for_s=5.0, timeout_s=60.0)
    late = client.when("never", timeout_s=60.0)
    ros.set_clock(planner, 1004 * _S)
    assert not future.done() and not client.holds("open", for_s=5.0)
    ros.set_clock(planner, 1006 * _S)
    assert client.wait(future).text == "open"
    assert not late.done()
    ros.set_clock(planner, 1061 * _S)
    with pytest.raises(NotSeenError):
        client.wait(late)


def test_a_question_is_answered_or_refused_or_nobody_is_there(
    client: SceneClient, teller: Teller, ros: Bench
) -> None:
    with pytest.raises(AnswerError, match="embedder/ask is not there"):
        client.wait(client.ask("open?", ["yes", "no"], timeout_s=DEADLINE_S))
    teller.answer(best=1)
    ros.wait(client._ask.service_is_ready, "the service")
    assert client.wait(client.ask("open?", ["yes", "no"], timeout_s=DEADLINE_S)).best == 1


def test_a_refusal_is_an_error_with_its_reason(
    client: SceneClient, teller: Teller, ros: Bench
) -> None:
    teller.answer(best=0, success=False, message="there is no clip yet")
    ros.wait(client._ask.service_is_ready, "the service")
    with pytest.raises(AnswerError, match="there is no clip yet"):
        client.wait(client.ask("open?", ["yes", "no"], timeout_s=DEADLINE_S))


def test_a_thread_that_waits_for_nothing_is_told_so(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene_client, "_EXECUTOR_S", 0.1)
    planner = Planner(context=context)
    future = planner.client.when("open", timeout_s=1.0)
    with pytest.raises(SceneError, match="no executor has the node"):
        planner.client.wait(future)
    executor = Single(context=context)
    executor.add_node(planner)
    with pytest.raises(SceneError, match="use `await` instead"):
        planner.client.wait(future)
    executor.shutdown(0.0)
    planner.destroy_node()


def test_the_end_of_a_client_ends_what_waits(client: SceneClient) -> None:
    future = client.when("open", timeout_s=DEADLINE_S)
    client.close()
    with pytest.raises(SceneError, match="closed"):
        client.wait(future)


def test_a_wait_that_is_cancelled_is_forgotten(client: SceneClient) -> None:
    future = client.when("open", timeout_s=DEADLINE_S)
    future.cancel()
    assert client._waiting == []


def test_another_camera_and_namespace_have_their_own_topic(ros: Bench, context: Context) -> None:
    node = Node("planner", context=context)
    SceneClient(node, namespace="/robot1", camera="wrist")
    topic = "/robot1/describer/wrist/states"
    ros.wait(lambda: ros.node.count_subscribers(topic) == 1, "a subscription")
    node.destroy_node()
