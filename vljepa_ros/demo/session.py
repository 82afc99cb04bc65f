# SPDX-License-Identifier: Apache-2.0
"""One run of the demo: start the nodes, replay, wait for the end, take everything down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from vljepa_ros.demo.processes import NodeProcess
from vljepa_ros.demo.record import RunRecord
from vljepa_ros.demo.recorder import Audience, Recorder

NAMESPACE = "/vljepa_demo"  # apart from whatever else runs on this domain
_LISTENERS = 2  # of the replayed images: the embedder and the recorder
_START_S = 60.0
_CHECK_S = 0.1
_LAST_REPORTS = 2  # of the embedder, one per second: what was under way when the replay ended


class DemoError(RuntimeError):
    """The run cannot start or go on; the message says why."""


class Session:
    """The processes and the recorder of a run, while it lasts."""

    def __init__(self, recorder: Recorder, processes: list[NodeProcess]) -> None:
        """Watch over these."""
        self._recorder = recorder
        self._processes = processes

    def replay(self) -> None:
        """Begin the replay, which waits until everyone listens, and wait for its end.

        Raises:
            DemoError: a node failed or ended.
        """
        self._until(lambda: bool(self._recorder.run.questions), "the model", _START_S)
        self._transition(Transition.TRANSITION_CONFIGURE, "the replay could not open its source")
        self._transition(Transition.TRANSITION_ACTIVATE, "the replay could not start")
        self._until(self._has_begun, "the first image", _START_S)
        self._until(lambda: self._recorder.finished, "the end", None)
        enough = self._recorder.reports + _LAST_REPORTS
        self._until(lambda: self._recorder.reports >= enough, "the last report", _START_S)

    def _has_begun(self) -> bool:
        return self._recorder.run.frames > 0 or self._recorder.finished

    def _transition(self, wanted: int, failure: str) -> None:
        client = self._recorder.create_client(ChangeState, f"{NAMESPACE}/replay/change_state")
        self._until(client.service_is_ready, "the replay node", _START_S)
        future = client.call_async(ChangeState.Request(transition=Transition(id=wanted)))
        self._until(future.done, "the replay node's answer", _START_S)
        if not future.result().success:
            self._until(lambda: False, failure, 3.0)  # its report tells the cause

    def _until(self, holds: Callable[[], bool], what: str, deadline_s: float | None) -> None:
        """Wait until something `holds`, as long as all nodes are well."""
        end = None if deadline_s is None else time.monotonic() + deadline_s
        with self._recorder.changed:
            while not holds():
                self._check_nodes()
                if end is not None and time.monotonic() > end:
                    raise DemoError(f"waited {deadline_s:.0f} s in vain for: {what}")
                self._recorder.changed.wait(_CHECK_S)

    def _check_nodes(self) -> None:
        for name, cause in self._recorder.failures.items():
            raise DemoError(f"{name}: {cause}")
        for process in self._processes:
            if cause := process.ended():
                raise DemoError(cause)


@contextmanager
def session(
    run: RunRecord, audience: Audience, source: str, topic: str, bundle: str, logs: Path
) -> Iterator[Session]:
    """Start embedder, describer, replay and recorder, and take them down at the end.

    `logs` is a folder for what the nodes print.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # Ctrl-C is ours
    replay = {
        "autostart": False,
        "source": source,
        "topic": topic,
        "wait_for_subscribers": _LISTENERS,
    }
    try:
        with (
            _spinning(run, audience) as recorder,
            NodeProcess("pipeline", NAMESPACE, {"bundle": bundle}, logs) as pipeline,
            NodeProcess("replay", NAMESPACE, replay, logs) as player,
        ):
            yield Session(recorder, [pipeline, player])
    finally:
        rclpy.try_shutdown()


@contextmanager
def _spinning(run: RunRecord, audience: Audience) -> Iterator[Recorder]:
    """A recorder whose callbacks run in a thread."""
    recorder = Recorder(NAMESPACE, run, audience)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name="recorder")
    thread.start()
    try:
        yield recorder
    finally:
        rclpy.try_shutdown()
        thread.join()
