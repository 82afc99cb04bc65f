# SPDX-License-Identifier: Apache-2.0
"""The programs of docs/client.md run as they stand, over real DDS, and are short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from std_srvs.srv import Trigger

from support.python_program import Program
from support.ros import DEADLINE_S, Bench
from support.told_states import Teller

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "client.md"
THREAD, CALLBACK, LOOP, TREE = re.findall(
    r"```python\n(.+?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL
)
LONGEST = 20  # lines with something in them


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    it = Program(request.param)
    yield it
    it.end()


@pytest.fixture
def teller(ros: Bench) -> Teller:
    return Teller(ros)


@pytest.mark.parametrize("source", [THREAD, CALLBACK, LOOP, TREE])
def test_an_example_has_at_most_twenty_lines(source: str) -> None:
    assert len([line for line in source.splitlines() if line.strip()]) <= LONGEST


@pytest.mark.parametrize("program", [THREAD], indirect=True)
def test_a_plain_thread(program: Program, teller: Teller) -> None:
    teller.tell("the drawer is open", score=0.87)
    program.says("open, with a score of 0.87")
    assert program.process.wait(DEADLINE_S) == 0


@pytest.mark.parametrize("program", [CALLBACK], indirect=True)
def test_a_callback(ros: Bench, program: Program, teller: Teller) -> None:
    teller.answer(best=1)
    teller.tell("the drawer is closed")
    answer = ros.call(Trigger, "/plan/check")
    assert (answer.success, answer.message) == (True, "the drawer is closed")


@pytest.mark.parametrize("program", [LOOP], indirect=True)
def test_a_control_loop(program: Program, teller: Teller) -> None:
    program.says("blind")
    teller.tell("the drawer is closed")
    program.says("pull on, the drawer is closed")
    teller.tell("the drawer is open", score=0.95)
    program.says("let go")


@pytest.mark.parametrize("program", [TREE], indirect=True)
def test_a_behaviour_tree(program: Program, teller: Teller) -> None:
    pytest.importorskip("py_trees", reason="pip install py_trees")
    teller.wait_matched().tell("the gripper holds the handle")
    program.lines.has(1, deadline_s=0.5)  # it prints nothing yet
    teller.tell("the drawer is open")
    program.says("the drawer is open")
    assert program.process.wait(DEADLINE_S) == 0
