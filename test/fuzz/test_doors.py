# SPDX-License-Identifier: Apache-2.0
"""A few of the inputs of `make fuzz`, and what is said of a door that lets something through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from fuzz import door as doors
from fuzz.door import Attempt, Door, try_inputs
from fuzz.file_doors import DOORS as FILE_DOORS
from fuzz.mutations import spoiled, strange_json_text
from fuzz.pixel_doors import DOORS as PIXEL_DOORS
from fuzz.stream_doors import DOORS as STREAM_DOORS

FEW = {**dict.fromkeys(PIXEL_DOORS + STREAM_DOORS, 150), **dict.fromkeys(FILE_DOORS, 4)}


@pytest.mark.parametrize("door", FEW, ids=lambda door: door.name)
def test_no_input_comes_through(door: Door) -> None:
    outcome = try_inputs(door, range(FEW[door]), seed=1)
    assert outcome.faults == []
    assert outcome.inputs == FEW[door]


def a_door(attempt: Attempt) -> Door:
    @contextmanager
    def opened() -> Iterator[Attempt]:
        yield attempt

    return Door("made up", 1.0, opened)


def test_an_exception_is_a_fault_with_the_number_of_its_input() -> None:
    def attempt(rng: np.random.Generator) -> str:
        assert rng.integers(10) != 3, "three"
        return "fine"

    outcome = try_inputs(a_door(attempt), range(60), seed=0)
    assert outcome.results["FAULT"] == len(outcome.faults) > 0
    number = int(outcome.faults[0].split()[2].rstrip(":"))
    again = try_inputs(a_door(attempt), range(number, number + 1), seed=0)
    assert again.faults == outcome.faults[:1]


def test_an_input_that_takes_too_long_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(rng: np.random.Generator) -> str:
        while True:
            try:
                time.sleep(0.01)
            except Exception:  # as a door may do
                continue

    monkeypatch.setattr(doors, "LONGEST_S", 0.05)
    outcome = try_inputs(a_door(attempt), range(1), seed=0)
    assert "TookTooLong" in outcome.faults[0]


def test_spoiled_bytes_follow_from_the_generator() -> None:
    content = bytes(range(256))
    first, second = (spoiled(np.random.default_rng(5), content) for _ in range(2))
    assert first == second != content
    strange = {strange_json_text(np.random.default_rng(n), '{"a": [1, "b"]}') for n in range(50)}
    assert len(strange) > 20
