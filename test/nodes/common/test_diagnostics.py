# SPDX-License-Identifier: Apache-2.0
"""The counters behind /diagnostics, and what a report looks like."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from support.ros import Bench
from vljepa_ros.nodes.common.diagnostics import (
    INTERNAL_ERRORS,
    MAX_CAUSES,
    OTHER_CAUSES,
    Health,
    Level,
    Rate,
    Tally,
)
from vljepa_ros.nodes.common.lifecycle import ManagedNode


class Log(list[str]):
    def warning(self, text: str) -> None:
        self.append(text)

    def debug(self, text: str) -> None:
        """Leave out what is for developers."""


def test_a_cause_is_logged_once_and_counted_every_time() -> None:
    log = Log()
    tally = Tally(log)
    for number in range(3):
        tally.warn("torn images", f"image {number} is torn")
    tally.warn("late images", "image 9 is late")
    tally.count("frames replaced")
    assert [line.split(" (")[0] for line in log] == ["image 0 is torn", "image 9 is late"]
    assert tally["torn images"] == 3
    assert tally.values() == {
        "frames replaced": 1,
        "late images": 1,
        "torn images": 3,
        "last fault": "image 9 is late (0 s ago)",
    }


def test_the_last_fault_has_an_age() -> None:
    seconds = [0.0]
    tally = Tally(Log(), now=lambda: seconds[0])
    assert tally.values()["last fault"] == "none"
    tally.warn("torn images", "torn")
    for seconds[0], age in ((12.0, "12 s"), (300.0, "5 min"), (86_400.0, "24 h")):
        assert tally.values()["last fault"] == f"torn ({age} ago)"


def test_no_message_makes_logs_and_reports_grow() -> None:
    log = Log()
    tally = Tally(log)
    for number in range(3 * MAX_CAUSES):
        tally.part("front").warn(f"{number} {'x' * 100_000}", "\n" + "y" * 1_000_000)
        tally.count(f"{number}")
    values = tally.values()
    assert len(values) <= MAX_CAUSES + 2
    assert sum(map(len, map(str, values))) + len(str(values)) < 1_000_000
    assert values[OTHER_CAUSES] == 2 * 3 * MAX_CAUSES - MAX_CAUSES
    assert len(log) <= MAX_CAUSES and max(map(len, log)) < 1000
    assert not any("\n" in line for line in log)


def test_an_exception_is_logged_once_for_each_line_that_raises() -> None:
    log = Log()
    tally = Tally(log)
    for _ in range(3):
        for raiser in (lambda: 1 / 0, lambda: [][0]):
            try:
                raiser()
            except (ZeroDivisionError, IndexError) as error:
                tally.count_error(error)
    assert tally[INTERNAL_ERRORS] == 6
    assert [line.split(":")[0] for line in log] == ["ZeroDivisionError", "IndexError"]
    assert "test_diagnostics.py:" in log[0]


def test_a_node_that_cannot_tell_how_it_is_tells_that(ros: Bench) -> None:
    class Mute(ManagedNode):
        def health(self) -> Health:
            raise ZeroDivisionError("of a kind that nobody thought of")

    reports = ros.diagnostics("mute")
    ros.add(lambda **options: Mute("mute", (), **options))
    report = reports.wait_for(lambda r: "ZeroDivisionError" in r.message, "the error")
    assert report.level == Level.ERROR.value


def test_a_report_is_bounded(ros: Bench) -> None:
    class Talkative(ManagedNode):
        def health(self) -> Health:
            values = {f"{number}": "x" * 100_000 for number in range(3000)}
            return Health(Level.OK, "y" * 1_000_000, values)

    reports = ros.diagnostics("talkative")
    ros.add(lambda **options: Talkative("talkative", (), **options))
    report = reports.wait_for(lambda r: "y" in r.message, "a long report")
    assert len(report.message) <= 5000 and len(report.values) <= 2 * MAX_CAUSES
    assert max(map(len, report.values.values())) <= 5000


def test_a_rate_is_that_of_the_last_ten_seconds() -> None:
    seconds = iter([0.0, 0.0, 2.0, 4.0, 4.0, 12.0, 14.0])
    rate = Rate(now=lambda: next(seconds))
    assert rate.read() == 0.0
    for _ in range(20):
        rate.tick()
    assert [rate.read() for _ in range(3)] == [10.0, 5.0, 5.0]
    assert [rate.read() for _ in range(2)] == [0.0, 0.0], "it begins at the reading at 2 s"
    assert rate.total == 20


def test_a_model_that_takes_two_seconds_has_a_rate() -> None:
    seconds = iter(range(100))
    rate = Rate(now=lambda: float(next(seconds)))
    rates = []
    for second in range(30):
        if second % 2 == 0:
            rate.tick()
        rates.append(rate.read())
    assert rates[10:] == pytest.approx([0.5] * 20)


@pytest.mark.parametrize("namespace", ["", "/front"])
def test_a_report_names_the_node_and_its_state(ros: Bench, namespace: str) -> None:
    arrays = ros.inbox(DiagnosticArray, "/diagnostics")
    ros.add(lambda **options: ManagedNode("idle", (), namespace=namespace, **options))
    name = f"{namespace}/idle".lstrip("/")
    array = arrays.wait_for(
        lambda a: a.status[0].name == name and a.status[0].message == "active", "an active node"
    )
    assert array.header.stamp.sec > 0
    (status,) = array.status
    assert {pair.key: pair.value for pair in status.values} == {"state": "active"}
