# SPDX-License-Identifier: Apache-2.0
"""One run of the demo: start the nodes, replay, wait for the end, take everything down.

Every wait has a deadline, and ends at once if a node fails or an exception ends a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rclpy
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from vljepa_ros.demo.live_page import live_view
from vljepa_ros.demo.processes import NodeProcess
from vljepa_ros.demo.record import RunRecord
from vljepa_ros.demo.recorder import Audience, Recorder
from vljepa_ros.demo.thread_faults import ThreadFaults

NAMESPACE = "/vljepa_demo"  # apart from whatever else runs on this domain
SILENCE_S = 30.0  # without an image, beyond what the replay announced
_LISTENERS = 2  # of the replayed images: the embedder and the recorder
_START_S = 60.0
_LOAD_S = 300.0  # to open a large recording, or to verify and load a large model
_ANSWER_S = 5.0  # for an answer, before it is asked whether it was lost
_REASON_S = 3.0  # for a report that tells why a transition failed
_CHECK_S = 0.1
_LAST_REPORTS = 2  # of the embedder, one per second: what was under way when the replay ended
_THREAD_END_S = 5.0


class DemoError(RuntimeError):
    """The run cannot start or go on; the message says why."""


class Session:
    """The processes and the recorder of a run, while it lasts."""

    def __init__(
        self, recorder: Recorder, processes: list[NodeProcess], faults: ThreadFaults
    ) -> None:
        """Watch over these.

        Args:
            recorder: listens to the nodes.
            processes: run the nodes.
            faults: takes note of exceptions that end threads.
        """
        self._recorder = recorder
        self._processes = processes
        self._faults = faults
        service = f"{NAMESPACE}/replay"
        self._changes = recorder.create_client(ChangeState, f"{service}/change_state")
        self._states = recorder.create_client(GetState, f"{service}/get_state")

    def replay(self) -> None:
        """Begin the replay, which waits until everyone listens, and wait for its end.

        Raises:
            DemoError: a node failed or ended, or something took too long.
            Exception: what ended a thread of this process.
        """
        recorder, run = self._recorder, self._recorder.run
        # The source first: what is wrong with it is told before the model is loaded.
        self._transition(Transition.TRANSITION_CONFIGURE, "the replay cannot open its source")
        self._until(lambda: bool(run.questions), _within(_LOAD_S, "for the model"))
        self._transition(Transition.TRANSITION_ACTIVATE, "the replay cannot start")
        first = _within(_START_S, "for the first image")
        self._until(lambda: run.frames > 0 or run.complete, first)
        self._until(lambda: run.complete, self._silence)
        enough = recorder.embedder_reports + _LAST_REPORTS
        last = _within(_START_S, "for the last report of the embedder")
        self._until(lambda: recorder.embedder_reports >= enough, last)

    def _silence(self) -> str:
        """Complain if no image came for long, though none was announced for later."""
        silent_s = time.monotonic() - self._recorder.next_image_s
        if silent_s < SILENCE_S:
            return ""
        said = self._recorder.run.said("replay")
        return f"no image came for {silent_s:.0f} s; the replay says: {said}"

    def _transition(self, wanted: int, failure: str) -> None:
        services = (self._changes, self._states)
        self._until(
            lambda: all(one.service_is_ready() for one in services),
            _within(_START_S, "for the replay node"),
        )
        request = ChangeState.Request(transition=Transition(id=wanted))
        future = self._changes.call_async(request)
        late = _within(_LOAD_S, "for the answer of the replay node")
        while not future.done():
            try:
                self._until(future.done, _within(_ANSWER_S, ""))
            except _TooLateError:
                if self._is_configured():
                    return  # the answer to a client that a node has not found yet is dropped
                if text := late():
                    raise _TooLateError(text) from None
        if not future.result().success:
            with suppress(_TooLateError):  # else the node's report tells the cause
                self._until(lambda: False, _within(_REASON_S, "for the reason"))
            raise DemoError(failure)

    def _is_configured(self) -> bool:
        """Ask the replay node, as long as its answer may take."""
        state = self._states.call_async(GetState.Request())
        with suppress(_TooLateError):
            self._until(state.done, _within(_ANSWER_S, ""))
        configured = (State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE)
        return state.done() and state.result().current_state.id in configured

    def _until(self, holds: Callable[[], bool], complaint: Callable[[], str]) -> None:
        """Wait until something holds, as long as all is well.

        Args:
            holds: what to wait for.
            complaint: says that it takes too long; empty until then.
        """
        with self._recorder.changed:
            while not holds():
                self._faults.check()
                self._check_nodes()
                if text := complaint():
                    raise _TooLateError(text)
                self._recorder.changed.wait(_CHECK_S)

    def _check_nodes(self) -> None:
        for name, cause in self._recorder.failures.items():
            raise DemoError(f"{name}: {cause}")
        for process in self._processes:
            if cause := process.ended():
                raise DemoError(cause)


class _TooLateError(DemoError):
    """Something did not come in time."""


def _within(seconds: float, what: str) -> Callable[[], str]:
    """Return what complains once some seconds have passed."""
    end_s = time.monotonic() + seconds
    return lambda: f"waited {seconds:.0f} s {what}" if time.monotonic() > end_s else ""


@contextmanager
def session(
    run: RunRecord,
    audience: Audience,
    source: str,
    topic: str,
    bundle: str,
    logs: Path,
    live: bool = False,
) -> Iterator[Session]:
    """Start embedder, describer, replay and recorder, and take them down at the end.

    Args:
        run: takes what comes.
        audience: is told as it comes.
        source: what to replay.
        topic: image topic of a bag; empty lets the replay choose.
        bundle: folder of the model bundle; empty is the default bundle.
        logs: folder for what the nodes print.
        live: also open the live view in the browser.
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
            ThreadFaults() as faults,
            _spinning(run, audience) as recorder,
            NodeProcess("pipeline", NAMESPACE, {"bundle": bundle}, logs) as pipeline,
            NodeProcess("replay", NAMESPACE, replay, logs) as player,
            live_view(NAMESPACE, logs, live),
        ):
            yield Session(recorder, [pipeline, player], faults)
    finally:
        rclpy.try_shutdown()


@contextmanager
def _spinning(run: RunRecord, audience: Audience) -> Iterator[Recorder]:
    """Run the callbacks of a recorder in a thread."""
    recorder = Recorder(NAMESPACE, run, audience)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name="recorder", daemon=True)
    thread.start()
    try:
        yield recorder
    finally:
        rclpy.try_shutdown()
        thread.join(_THREAD_END_S)
