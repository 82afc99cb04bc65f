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
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from vljepa_ros.stream.clean_text import clean_text

PERIOD_S = 1.0
INTERNAL_ERRORS = "internal errors"
OTHER_CAUSES = "other causes"
MAX_CAUSES = 500  # 16 cameras have some 200
MAX_CAUSE = 160  # characters
MAX_DETAIL = 500
_MAX_TEXT = 5000  # characters of a value; 64 names of queries are fewer
_MAX_VALUES = 2 * MAX_CAUSES


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

    What a message says may be in a cause, so their number and the length of all texts are bounded.
    May be used from several threads.
    """

    def __init__(self, logger: Any, now: Callable[[], float] = time.monotonic) -> None:
        """Count from zero.

        Args:
            logger: That of the node.
            now: Returns seconds.
        """
        self._logger = logger
        self._now = now
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._logged: set[str] = set()
        self._last_fault: deque[tuple[str, float]] = deque(maxlen=1)  # text, and when
        self._prefix = ""

    def part(self, name: str) -> Tally:
        """Return a tally whose causes begin with ``name``; it counts into this one."""
        part = copy(self)
        part._prefix = f"{self._prefix}{name}: "
        return part

    def count(self, cause: str, number: int = 1) -> None:
        """Count what is part of normal work, such as a frame that a newer one replaced."""
        with self._lock:
            self._counts[self._counted_as(cause)] += number

    def warn(self, cause: str, detail: str, number: int = 1) -> None:
        """Count a fault, and log ``detail`` the first time that this cause shows."""
        self._add_fault(cause, detail, number, log_once=cause)

    def count_error(self, error: Exception) -> None:
        """Count an exception that nobody expected, and log it once for each line that raises."""
        calls = traceback.extract_tb(error.__traceback__)
        place = f"{Path(calls[-1].filename).name}:{calls[-1].lineno}" if calls else "unknown line"
        detail = f"{type(error).__name__}: {error} ({place})"
        self._add_fault(INTERNAL_ERRORS, detail, 1, log_once=f"{type(error).__name__} {place}")
        self._logger.debug("".join(traceback.format_exception(error)))

    def __getitem__(self, cause: str) -> int:
        """Return how often ``cause`` was counted."""
        with self._lock:
            return self._counts[self._bounded(cause, MAX_CAUSE)]

    def values(self) -> dict[str, object]:
        """Return all counts for a report, and the last fault with its age."""
        with self._lock:
            counts: dict[str, object] = dict(sorted(self._counts.items()))
            last = "none"
            for detail, when_s in self._last_fault:
                last = f"{detail} ({_ago(self._now() - when_s)})"
            return {**counts, "last fault": last}

    def _add_fault(self, cause: str, detail: str, number: int, *, log_once: str) -> None:
        detail = self._bounded(detail, MAX_DETAIL)
        with self._lock:
            counted = self._counted_as(cause)
            self._counts[counted] += number
            self._last_fault.append((detail, self._now()))
            log_once = self._bounded(log_once, MAX_CAUSE)
            first = log_once not in self._logged and len(self._logged) < MAX_CAUSES
            if first:
                self._logged.add(log_once)
        if first:
            self._logger.warning(f"{detail} (logged once; /diagnostics counts '{counted}')")

    def _counted_as(self, cause: str) -> str:
        """Return the key of a cause; the same for all that come after too many others."""
        key = self._bounded(cause, MAX_CAUSE)
        return key if key in self._counts or len(self._counts) < MAX_CAUSES else OTHER_CAUSES

    def _bounded(self, text: str, limit: int) -> str:
        return clean_text(self._prefix + text, limit=limit)


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

    def __init__(
        self,
        node: Node,
        health: Callable[[], Health],
        count_error: Callable[[Exception], None],
    ) -> None:
        """Start to report.

        Args:
            node: The node that reports.
            health: Returns the report; called in the executor.
            count_error: Takes what ``health`` raises.
        """
        self._node = node
        self._health = health
        self._count_error = count_error
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=steady)

    def publish(self) -> None:
        """Send one report now."""
        report = DiagnosticArray(status=[self._status()])
        report.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(report)

    def _status(self) -> DiagnosticStatus:
        try:
            health = self._health()
        except Exception as error:  # a node that cannot tell how it is must tell that
            self._count_error(error)
            health = Health(Level.ERROR, f"{INTERNAL_ERRORS}: {type(error).__name__}: {error}")
        values = islice(health.values.items(), _MAX_VALUES)
        return DiagnosticStatus(
            level=health.level.value,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=_text(health.summary),
            values=[KeyValue(key=_text(key), value=_text(value)) for key, value in values],
        )


def _text(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)[:_MAX_TEXT]


def _ago(seconds: float) -> str:
    """Return an age in the largest fitting unit, as people say it."""
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
