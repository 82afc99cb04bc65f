# SPDX-License-Identifier: Apache-2.0
"""The counters behind /diagnostics, and what a report looks like."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray

from support.ros import Bench
from vljepa_ros.nodes.common.diagnostics import Rate, Tally
from vljepa_ros.nodes.common.lifecycle import ManagedNode


class Log(list[str]):
    def warning(self, text: str) -> None:
        self.append(text)


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
        "last fault": "image 9 is late",
    }


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
