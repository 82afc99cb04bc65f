# SPDX-License-Identifier: Apache-2.0
"""The demo waits for nothing for ever: a silent source or a dead thread ends its session."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.recordings import write_folder
from support.ros import Bench
from vljepa_msgs.msg import ModelInfo, Query
from vljepa_ros.demo.record import RunRecord
from vljepa_ros.demo.recorder import Recorder
from vljepa_ros.demo.session import NAMESPACE, DemoError, Session
from vljepa_ros.demo.thread_faults import ThreadFaults
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.replay import Replay
from vljepa_ros.recordings.source import Source, SourceFrame


class Listener:
    """Takes what the recorder hears, and keeps what nodes tell."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, str]] = []

    def on_image(self, *_: Any) -> None: ...

    def on_state(self, *_: Any) -> None: ...

    def on_embedding(self, *_: Any) -> None: ...

    def on_notice(self, node: str, text: str) -> None:
        self.notices.append((node, text))


class Stuck(Source):
    """A source that gives one image, and the next one never."""

    def __init__(self, end: threading.Event) -> None:
        super().__init__("stuck")
        self.notes = ["it will get stuck"]
        self._end = end

    def _images(self) -> Iterator[SourceFrame]:
        yield SourceFrame(0, "mono8", 2, 2, 2, bytes(4))
        self._end.wait()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def recorder(ros: Bench, listener: Listener) -> Recorder:
    """A recorder that has heard of a model."""
    make = partial(Recorder, NAMESPACE, RunRecord("stuck"), listener)
    recorder = ros.add(lambda context, **_: make(context=context))
    info = ModelInfo(clip_frames=4, clip_rate_hz=10.0, queries=[Query(name="action", text="?")])
    topic = f"{NAMESPACE}/embedder/model_info"
    ros.node.create_publisher(ModelInfo, topic, latched(1)).publish(info)
    return recorder


def test_a_source_that_gets_stuck_ends_the_session(
    ros: Bench, recorder: Recorder, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    monkeypatch.setattr("vljepa_ros.nodes.replay.open_source", lambda *_: Stuck(end))
    monkeypatch.setattr("vljepa_ros.demo.session.SILENCE_S", 0.3)
    ros.add(partial(Replay, namespace=NAMESPACE), autostart=False, source="stuck")
    with ThreadFaults() as faults, pytest.raises(DemoError, match="no image came for .*replay"):
        Session(recorder, [], faults).replay()
    end.set()
    assert recorder.run.frames == 1
    assert ("replay", "it will get stuck") in listener.notices


def test_a_wait_that_the_replay_announces_is_no_silence(
    ros: Bench, recorder: Recorder, tmp_path: Path
) -> None:
    names = ["1000.0.png", "1000.1.png", "1000.2.png", "1050.2.png"]
    write_folder(tmp_path, names, ["red"] * 4)
    ros.add(partial(Replay, namespace=NAMESPACE), source=str(tmp_path))
    announced = time.monotonic() + 30.0
    ros.wait(lambda: recorder.next_image_s > announced, "the announcement")
    assert recorder.run.frames == 3


def test_an_exception_in_a_thread_ends_the_session(ros: Bench, recorder: Recorder) -> None:
    def work() -> None:
        raise OSError("no space left on device")

    with ThreadFaults() as faults:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with pytest.raises(OSError, match="no space left"):  # there is no replay to wait for
            Session(recorder, [], faults).replay()
