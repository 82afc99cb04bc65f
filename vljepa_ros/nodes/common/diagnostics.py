# SPDX-License-Identifier: Apache-2.0
"""What a node reports about itself on ``/diagnostics``, and the counters behind it.

Plain ``DiagnosticArray`` messages instead of diagnostic_updater: that package is not everywhere,
and its frequency and stamp tasks compare against a clock of their own, which is wrong under
``use_sim_time``. The timer runs on the steady clock, so a node reports also while simulated time
stands still; the stamps are the node's clock.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

PERIOD_S = 1.0


class Level(Enum):
    """Level of a report, as in diagnostic_msgs."""

    OK = DiagnosticStatus.OK
    WARN = DiagnosticStatus.WARN
    ERROR = DiagnosticStatus.ERROR
    STALE = DiagnosticStatus.STALE


@dataclass(frozen=True)
class Health:
    """One report: its level, one line for people, and named values."""

    level: Level
    summary: str
    values: Mapping[str, object] = field(default_factory=dict)


class Tally:
    """Counts what went wrong or was left out, by cause, and logs each cause once.

    May be used from several threads.
    """

    def __init__(self, logger: Any) -> None:
        """Count from zero; ``logger`` is the node's."""
        self._logger = logger
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._last_warning = deque(["none"], maxlen=1)
        self._prefix = ""

    def part(self, name: str) -> Tally:
        """Return a tally whose causes begin with ``name``; it counts into this one."""
        part = copy(self)
        part._prefix = f"{self._prefix}{name}: "
        return part

    def count(self, cause: str) -> None:
        """Count what is part of normal work, such as a frame that a newer one replaced."""
        with self._lock:
            self._counts[self._prefix + cause] += 1

    def warn(self, cause: str, detail: str) -> None:
        """Count a fault, and log ``detail`` the first time that this cause shows."""
        cause, detail = self._prefix + cause, self._prefix + detail
        with self._lock:
            self._counts[cause] += 1
            first = self._counts[cause] == 1
            self._last_warning.append(detail)
        if first:
            self._logger.warning(f"{detail} (logged once; /diagnostics counts '{cause}')")

    def __getitem__(self, cause: str) -> int:
        """Return how often ``cause`` was counted."""
        with self._lock:
            return self._counts[self._prefix + cause]

    def values(self) -> dict[str, object]:
        """Return all counts for a report, and the last fault."""
        with self._lock:
            counts: dict[str, object] = dict(sorted(self._counts.items()))
            return {**counts, "last fault": self._last_warning[0]}


RATE_WINDOW_S = 10.0  # a model that takes seconds must not be told as 0 Hz
_READING_S = 0.5  # readings closer to each other are not kept


class Rate:
    """Events per second over the last RATE_WINDOW_S. May be used from several threads."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Count from zero; ``now`` returns seconds."""
        self._now = now
        self._lock = threading.Lock()
        self._total = 0
        self._readings = deque([(now(), 0)])  # time and total; the window begins at the first

    def tick(self) -> None:
        """Count one event."""
        with self._lock:
            self._total += 1

    @property
    def total(self) -> int:
        """Events since the beginning."""
        with self._lock:
            return self._total

    def read(self) -> float:
        """Return the rate in Hz since the latest reading that is as old as the window.

        Before there is one, it is the rate since the beginning.
        """
        with self._lock:
            now, readings = self._now(), self._readings
            while len(readings) > 1 and now - readings[1][0] >= RATE_WINDOW_S:
                readings.popleft()
            since, before = readings[0]
            if now - readings[-1][0] >= _READING_S:
                readings.append((now, self._total))
            count = self._total - before
        return count / (now - since) if now > since else 0.0


class Diagnostics:
    """Publishes a node's health once per second, in every state of its life."""

    def __init__(self, node: Node, health: Callable[[], Health]) -> None:
        """Start reporting what ``health`` returns; it is called from the executor."""
        self._node = node
        self._health = health
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=steady)

    def publish(self) -> None:
        """Send one report now."""
        report = DiagnosticArray(status=[self._status()])
        report.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(report)

    def _status(self) -> DiagnosticStatus:
        health = self._health()
        return DiagnosticStatus(
            level=health.level.value,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=health.summary,
            values=[KeyValue(key=key, value=_text(v)) for key, v in health.values.items()],
        )


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
