# SPDX-License-Identifier: Apache-2.0
"""Embedder and describer together, from images to states, over real DDS."""

from __future__ import annotations

from support.colour_bundle import phrase
from support.film import CLIP, MS, PERIOD, Film
from support.ros import Bench
from vljepa_msgs.msg import Embedding, StateDescription
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder

_FRAME = "camera_optical_frame"


def test_each_change_of_the_scene_is_told_once_with_its_times(ros: Bench, bundle: str) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    ros.add(Describer, bundle=bundle, min_gap_s=0.5)
    film = Film(ros.camera().wait_matched(), embeddings, frame_id=_FRAME)

    first_clip = film.roll("red")
    film.show("red", 10)
    green_from = film.show("green", 15)[0]
    blue_from = film.show("blue", 15)[0]
    red, green, blue = states.wait(3)

    assert [state.text for state in states] == [phrase(c) for c in ("red", "green", "blue")]
    assert [state.previous_text for state in states] == ["", phrase("red"), phrase("green")]
    assert [state.reason for state in states] == [
        StateDescription.FIRST,
        StateDescription.CHANGE,
        StateDescription.CHANGE,
    ]
    assert [state.seq for state in states] == [0, 1, 2]
    assert {(state.query, state.header.frame_id) for state in states} == {("colour", _FRAME)}
    assert all(0.5 < state.score <= 1.0 for state in states)
    assert red.distance == 0.0
    assert green.distance > 0.15 and blue.distance > 0.15

    assert to_ns(red.header.stamp) == to_ns(red.since) == first_clip
    for state, begins in ((green, green_from), (blue, blue_from)):
        # The clip's newest two frames count, so the change shows with the first or the second.
        assert begins <= to_ns(state.since) <= begins + 2 * PERIOD
        assert to_ns(state.since) < to_ns(state.header.stamp) <= to_ns(state.since) + 500 * MS
    for embedding in embeddings:
        assert to_ns(embedding.window_start) == to_ns(embedding.header.stamp) - CLIP
        assert embedding.header.frame_id == _FRAME
