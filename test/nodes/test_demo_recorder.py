# SPDX-License-Identifier: Apache-2.0
"""What the demo's recorder keeps of the states."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.ros import Bench
from vljepa_msgs.msg import StateDescription
from vljepa_ros.demo.record import EmbeddingRecord, RunRecord, StateRecord
from vljepa_ros.demo.recorder import Recorder
from vljepa_ros.nodes.common.qos import latched


class _Viewer:
    """An audience that keeps the states."""

    def __init__(self) -> None:
        self.states: list[StateRecord] = []

    def on_image(self, stamp_ns: int, image: Any, view: Any) -> None:
        pass

    def on_state(self, state: StateRecord) -> None:
        self.states.append(state)

    def on_embedding(self, embedding: EmbeddingRecord) -> None:
        pass

    def on_notice(self, node: str, text: str) -> None:
        pass


def test_a_state_that_is_lost_is_no_state(ros: Bench) -> None:
    """At the end of a recording nothing comes any more; that is no wrong answer."""
    run, viewer = RunRecord("drawer.mp4"), _Viewer()
    states = ros.node.create_publisher(StateDescription, "/demo/describer/state", latched(10))
    told = (
        ("open", StateDescription.FIRST),
        ("", StateDescription.LOST),
        ("shut", StateDescription.CHANGE),
    )
    for text, reason in told:
        states.publish(StateDescription(query="drawer", text=text, reason=reason))
    recorder = ros.add(partial(Recorder, "demo", run, viewer))
    with recorder.changed:
        assert recorder.changed.wait_for(lambda: len(run.states) == 2, 20.0)
    assert [(one.text, one.reason) for one in run.states] == [
        ("open", "first"),
        ("shut", "change"),
    ]
    assert viewer.states == run.states
