# SPDX-License-Identifier: Apache-2.0
"""The behaviours in a tree of py_trees, over real DDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rclpy.node import Node

from support.ros import DEADLINE_S, Bench
from support.told_states import Teller
from vljepa_ros.client import Condition, SceneClient

pytest.importorskip("py_trees", reason="pip install py_trees")

from py_trees.common import Status

from vljepa_ros.client.trees import AskScene, IsSeen, WaitUntilSeen

OPEN = Condition(("open",), for_s=0.0)


@pytest.fixture
def teller(ros: Bench) -> Teller:
    return Teller(ros)


@pytest.fixture
def client(ros: Bench, teller: Teller) -> SceneClient:
    client = SceneClient(ros.add(lambda **options: Node("planner", **options)))
    teller.wait_matched()
    return client


def ticked(behaviour: Any) -> Status:
    behaviour.tick_once()
    return behaviour.status


@pytest.fixture
def until(ros: Bench) -> Callable[[Any, Status], None]:
    """Tick until a behaviour has a status."""

    def tick(behaviour: Any, status: Status) -> None:
        ros.wait(lambda: ticked(behaviour) == status, f"{behaviour.name} is {status}")

    return tick


def test_a_condition_succeeds_while_it_holds(
    client: SceneClient, teller: Teller, until: Callable[[Any, Status], None]
) -> None:
    seen = IsSeen("open?", client, OPEN)
    assert ticked(seen) == Status.FAILURE
    teller.tell("open")
    until(seen, Status.SUCCESS)
    teller.tell("closed")
    until(seen, Status.FAILURE)
    assert seen.feedback_message.startswith("not 'open'")


def test_a_wait_runs_succeeds_and_can_be_repeated(
    client: SceneClient, teller: Teller, until: Callable[[Any, Status], None]
) -> None:
    wait = WaitUntilSeen("open?", client, OPEN, timeout_s=DEADLINE_S)
    assert ticked(wait) == Status.RUNNING
    teller.tell("open")
    until(wait, Status.SUCCESS)
    assert wait.feedback_message == "open"
    assert ticked(wait) == Status.SUCCESS, "a new visit finds it at once"


def test_a_wait_fails_after_its_time_and_says_why(
    client: SceneClient, until: Callable[[Any, Status], None]
) -> None:
    wait = WaitUntilSeen("open?", client, OPEN, timeout_s=0.05)
    until(wait, Status.FAILURE)
    assert "the describer has not said anything" in wait.feedback_message


def test_a_wait_that_is_interrupted_leaves_nothing_behind(client: SceneClient) -> None:
    wait = WaitUntilSeen("open?", client, OPEN, timeout_s=DEADLINE_S)
    assert ticked(wait) == Status.RUNNING
    wait.stop(Status.INVALID)
    assert client._waiting == []


@pytest.mark.parametrize(("wanted", "status"), [("yes", Status.SUCCESS), ("no", Status.FAILURE)])
def test_a_question_succeeds_with_the_wanted_answer(
    ros: Bench,
    client: SceneClient,
    teller: Teller,
    until: Callable[[Any, Status], None],
    wanted: str,
    status: Status,
) -> None:
    teller.answer(best=0)
    ros.wait(client._ask.service_is_ready, "the service")
    ask = AskScene("open?", client, "Is it open?", ["yes", "no"], wanted=wanted)
    until(ask, status)
    assert ask.feedback_message == "yes (0.90)"
