# SPDX-License-Identifier: Apache-2.0
"""A bag of what a store holds has every message at its time, and ROS reads it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from support.recordings import write_video
from support.small_store import START_NS, Part, store_recording, vector_of
from vljepa_ros.index.bag_out import EMBEDDINGS, SEGMENTS, STATES, BagOutError, write_bag
from vljepa_ros.index.store import Store

PARTS = {
    "object": [Part(0.0, 2.0, "closed"), Part(2.0, 5.0, "it's open — über", 0.6, 0.25)],
    "action": [Part(1.0, 5.0, "pulling")],
}


def raw_messages(bag: Path) -> list[tuple[str, int, bytes]]:
    with AnyReader([bag]) as reader:
        return [(c.topic, stamp, bytes(raw)) for c, stamp, raw in reader.messages()]


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    recording = store_recording(tmp_path / "store", "/data/b.mp4", PARTS)
    write_bag(Store.open(tmp_path / "store"), recording, tmp_path / "bags" / "b")
    return tmp_path / "bags" / "b"


def test_messages_are_those_of_vljepa_msgs(bag: Path) -> None:
    serialization = pytest.importorskip("rclpy.serialization")
    msg = pytest.importorskip("vljepa_msgs.msg")
    kinds = {EMBEDDINGS: msg.Embedding, STATES: msg.StateDescription, SEGMENTS: msg.Segment}
    read = [
        (topic, stamp, serialization.deserialize_message(raw, kinds[topic]))
        for topic, stamp, raw in raw_messages(bag)
    ]
    stamps = [stamp for _, stamp, _ in read]
    assert stamps == sorted(stamps)
    for _, stamp, message in read:
        header = message.header
        assert header.stamp.sec * 1_000_000_000 + header.stamp.nanosec == stamp
        assert header.frame_id == "camera"
    embeddings = [m for topic, _, m in read if topic == EMBEDDINGS and m.query == "object"]
    assert [m.seq for m in embeddings] == list(range(10))
    assert np.allclose(embeddings[-1].data, vector_of("it's open — über"), atol=1e-3)
    assert np.linalg.norm(embeddings[-1].data) == pytest.approx(1, abs=1e-6)
    segments = [m for topic, _, m in read if topic == SEGMENTS]
    assert [m.text for m in segments] == ["closed", "it's open — über", "pulling"]
    assert segments[1].unfamiliarity == pytest.approx(0.25)
    assert math.isnan(segments[0].unfamiliarity)
    assert segments[0].start.sec * 10**9 + segments[0].start.nanosec == START_NS
    states = [m for topic, _, m in read if topic == STATES and m.query == "object"]
    assert [(m.text, m.previous_text) for m in states] == [
        ("closed", ""),
        ("it's open — über", "closed"),
    ]


def test_what_is_there_is_left_as_it_is(bag: Path, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in bag.iterdir())
    with pytest.raises(BagOutError, match="left as it is"):
        write_bag(store, store.recording("b"), bag)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in bag.iterdir()) == before


def test_the_command_writes_one_bag_for_each_recording(vljepa, tmp_path, capsys) -> None:
    videos = [write_video(tmp_path / f"{n}.mp4", ["red"] * 9 + ["blue"] * 9) for n in "ab"]
    assert vljepa("index", *videos, "--bag-out", tmp_path / "bags") == 0
    bags = sorted((tmp_path / "bags").iterdir())
    assert [bag.name[:2] for bag in bags] == ["a-", "b-"]
    topics = [topic for topic, _, _ in raw_messages(bags[0])]
    assert topics.count(EMBEDDINGS) == 2 * 15
    assert topics.count(SEGMENTS) == 3  # both are dark
    assert vljepa("index", *videos, "--bag-out", tmp_path / "bags") == 0
    assert "left as it is" in capsys.readouterr().out
