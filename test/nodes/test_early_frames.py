# SPDX-License-Identifier: Apache-2.0
"""What is seen while the model loads is the first clip, as soon as the model is there."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import numpy as np
import pytest

from support.colour_bundle import colour_frame
from support.film import PERIOD, START
from support.gated_backend import Gate
from support.recordings import write_video
from support.ros import Bench
from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.conversions import to_ns
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.early_frames import EarlyFrames
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.replay import Replay
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import Frame


def frame(number: int, *, restart: bool = False) -> Frame:
    return Frame(START + number * PERIOD, "camera", np.zeros((1, 1, 3), np.uint8), restart)


@pytest.mark.parametrize(("rate_hz", "kept"), [(10.0, 4), (30.0, 10), (2.0, 4)])
def test_as_many_frames_are_kept_as_a_clip_spans(
    colour_bundle: Path, rate_hz: float, kept: int
) -> None:
    """The clip has 4 frames at 10 Hz."""
    early = EarlyFrames(Bundle.load(colour_bundle), rate_hz)
    for number in range(50):
        early.add("front", frame(number))
    newest = [("front", START + number * PERIOD) for number in range(50 - kept, 50)]
    assert [(camera, one.stamp_ns) for camera, one in early.take()] == newest
    assert list(early.take()) == []


def test_frames_of_another_stream_are_not_kept(colour_bundle: Path) -> None:
    early = EarlyFrames(Bundle.load(colour_bundle), 10.0)
    for number, restart in enumerate((True, False, True, False)):
        early.add("front", frame(number, restart=restart))
    assert [one.restart for _, one in early.take()] == [True, False]


def test_the_first_embedding_comes_with_the_model(ros: Bench, bundle: str, gate: Gate) -> None:
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    gate.close()
    node = ros.add(Embedder, bundle=bundle, queries=["colour"])
    ros.wait(gate.reached.is_set, "the model is loading")
    camera = ros.camera().wait_matched()
    ros.wait(lambda: node._inputs[""]._listener is not None, "it listens")
    taken = node._inputs[""]._listener.rate  # no topic tells how many images were taken
    stamps = count(START, PERIOD)

    def are_taken() -> bool:
        camera.send(colour_frame("red"), next(stamps))
        return taken.total >= 6

    ros.wait(are_taken, "images have been taken")
    ros.wait(lambda: node.count_subscribers("embedder/embedding") == 1, "it is listened to")
    gate.open()
    first = embeddings.wait(1)[0]
    assert to_ns(first.header.stamp) < next(stamps)
    assert to_ns(first.header.stamp) - to_ns(first.window_start) == 3 * PERIOD


def test_a_pace_that_changes_meanwhile_counts(ros: Bench, bundle: str, gate: Gate) -> None:
    gate.close()
    node = ros.add(Embedder, bundle=bundle)
    ros.camera().wait_matched()
    assert ros.set_parameters("embedder", rate_hz=5.0).successful
    gate.open()
    ros.wait(lambda: node.phase is Phase.ACTIVE, "it is active")
    assert node._inputs[""].wanted_hz == 5.0


def test_a_recording_waits_for_the_model(
    ros: Bench, bundle: str, gate: Gate, tmp_path: Path
) -> None:
    """It would be over before the model is there."""
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    reports = ros.diagnostics("replay")
    gate.close()
    ros.add(Embedder, bundle=bundle, queries=["colour"])
    video = write_video(tmp_path / "a.mp4", ["red"] * 12, rate_hz=10.0)
    ros.add(Replay, source=str(video), rate=2.0)  # a busy computer keeps up with it
    waiting = reports.wait_for(lambda one: "is active yet" in one.message, "it waits")
    assert (waiting.values["subscribers"], waiting.values["published"]) == ("1", "0")
    gate.open()
    first = embeddings.wait(1)[0]
    assert to_ns(first.header.stamp) - to_ns(first.window_start) == 3 * PERIOD


def test_without_autostart_nothing_is_looked_at_before_it_is_active(
    ros: Bench, bundle: str
) -> None:
    ros.add(Embedder, bundle=bundle, autostart=False)
    assert ros.transition("embedder", "configure")
    camera = ros.camera()
    assert camera.publisher.get_subscription_count() == 0
    assert ros.transition("embedder", "activate")
    camera.wait_matched()


def test_a_model_that_cannot_be_loaded_leaves_no_camera_open(
    ros: Bench, bundle: str, gate: Gate
) -> None:
    gate.close()
    gate.failing = True
    node = ros.add(Embedder, bundle=bundle)
    camera = ros.camera().wait_matched()
    gate.open()
    ros.wait(lambda: node.failure != "", "loading failed")
    ros.wait(lambda: camera.publisher.get_subscription_count() == 0, "its subscription is gone")
    ros.wait(lambda: node.phase is Phase.UNCONFIGURED, "it is not configured")
    assert not node._inputs
