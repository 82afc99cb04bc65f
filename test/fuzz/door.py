# SPDX-License-Identifier: Apache-2.0
"""A door is a place at which inputs from outside come in; here inputs try what it lets through."""

from __future__ import annotations

import resource
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import FrameType

import numpy as np

LONGEST_S = 10.0  # for one input; an honest one of the largest size takes about one
MOST_BYTES = 2 << 30  # that the peak of memory may grow by: the largest images take half of it

Attempt = Callable[[np.random.Generator], str]
"""Makes one input from a generator, puts it to the door, and returns a word for what came of it.

An exception is a fault of the door. What the door refuses as documented is caught by the attempt.
"""


@dataclass(frozen=True)
class Door:
    """A door, and how inputs are put to it.

    Attributes:
        name: for the report.
        share: of all inputs that are made; slow doors get less.
        opened: makes what the attempts need, for as long as its block lasts.
    """

    name: str
    share: float
    opened: Callable[[], AbstractContextManager[Attempt]]


@dataclass
class Outcome:
    """What came of the inputs at one door."""

    inputs: int = 0
    results: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    grown_bytes: int = 0


class TookTooLong(BaseException):
    """Raised by the alarm; no `except Exception` of the door may swallow it."""


def try_inputs(door: Door, numbers: range, seed: int, most_faults: int = 10) -> Outcome:
    """Put the inputs of these numbers to a door; each follows from its number and the seed."""
    outcome = Outcome()
    signal.signal(signal.SIGALRM, _on_alarm)
    with door.opened() as attempt:
        before = _peak_bytes()
        for number in numbers:
            _try_one(outcome, attempt, f"{door.name} {number}", [seed, number])
            if len(outcome.faults) >= most_faults:
                break
        outcome.grown_bytes = _peak_bytes() - before
    if outcome.grown_bytes > MOST_BYTES:
        outcome.faults.append(f"{door.name}: memory grew by {outcome.grown_bytes >> 20} MiB")
    return outcome


def _try_one(outcome: Outcome, attempt: Attempt, name: str, seed: list[int]) -> None:
    outcome.inputs += 1
    began_s = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        outcome.results[attempt(np.random.default_rng(seed))] += 1
    except (Exception, TookTooLong) as error:
        outcome.results["FAULT"] += 1
        outcome.faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    outcome.slowest_s = max(outcome.slowest_s, time.monotonic() - began_s)


def _on_alarm(number: int, frame: FrameType | None) -> None:
    raise TookTooLong(f"more than {LONGEST_S:g} s")


def _peak_bytes() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
