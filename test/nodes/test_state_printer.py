# SPDX-License-Identifier: Apache-2.0
"""The terminal of a launch shows each new state once."""

from __future__ import annotations

from rcl_interfaces.msg import Log

from support.ros import Bench
from vljepa_msgs.msg import Embedding, StateDescription
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.state_printer import StatePrinter


def test_new_states_are_printed_and_repeated_ones_are_not(ros: Bench) -> None:
    log = ros.inbox(Log, "/rosout", latched(1000))
    states = ros.node.create_publisher(StateDescription, "describer/state", latched(10))
    for text in ("it is open", "it is open", "it is\nshut", ""):
        states.publish(StateDescription(query="door", text=text, score=0.87))
    look = StateDescription(query="door", text="it is open", reason=StateDescription.FORCED)
    lost = StateDescription(query="door", previous_text="shut", reason=StateDescription.LOST)
    covered = StateDescription(query="door", reason=StateDescription.UNFAMILIAR)
    covered.image_fault = Embedding.COVERED
    again = StateDescription(query="door", text="")
    for state in (look, lost, covered, covered, again):
        states.publish(state)
    ros.add(StatePrinter)
    printed = [
        "door: it is open (87%)",
        "door: it is shut (87%)",
        "door: none of these",
        "door: nothing is seen any more; it was: shut",
        "door: ? lens covered",
        "door: none of these",
    ]
    ros.wait(lambda: len(_told(log)) >= len(printed), "the last state is printed")
    assert _told(log) == printed


def _told(log: list[Log]) -> list[str]:
    return [line.msg for line in log if line.name.endswith("state_printer") and "door" in line.msg]
