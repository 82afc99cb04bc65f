# SPDX-License-Identifier: Apache-2.0
"""What a planner asks about the scene: does a text hold, tell me when it does, which answer?

Nothing here spins. The node's own executor runs the callbacks, whichever it is, and whoever waits
either awaits a future in a callback or blocks in another thread. A group of its own lets them run
while a callback of the user's awaits.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rclpy.task import Future

from vljepa_msgs.msg import StateDescription, States
from vljepa_msgs.srv import Ask
from vljepa_ros.client.condition import Condition
from vljepa_ros.client.errors import AnswerError, NotSeenError, SceneError
from vljepa_ros.client.known_states import KnownStates
from vljepa_ros.client.waiting import Alarm, Waiting, after

_EXECUTOR_S = 5.0  # in which an executor must come to a new task
_SHUTDOWN_CHECK_S = 0.5
_EXECUTOR_BUSY = (
    "the executor of the node does not come to its work: spin it in another thread than the one "
    "that waits; in a callback use `await` instead"
)


class SceneClient:
    """Follows the states of one camera. May be used by any thread, and by any number of them."""

    def __init__(self, node: Node, *, namespace: str = "", camera: str = "") -> None:
        """Begin to follow the states, as long as ``node`` is spun.

        Args:
            node: Any node; its clock is used, so that ``use_sim_time`` counts.
            namespace: Of the describer and the embedder; empty for the node's own.
            camera: Its name; empty if there is only one, without a name.
        """
        self._node, self._camera = node, camera
        self._lock = threading.Lock()
        self._known = KnownStates()
        self._waiting: list[Waiting] = []
        group = MutuallyExclusiveCallbackGroup()
        self._alarm = Alarm(node, self._look, group)
        prefix = f"{namespace.rstrip('/')}/" if namespace else ""
        topic = f"{prefix}describer/{camera}/states" if camera else f"{prefix}describer/states"
        self._states = node.create_subscription(
            States, topic, self._on_states, _latched(), callback_group=group
        )
        self._ask = node.create_client(Ask, f"{prefix}embedder/ask", callback_group=group)

    def close(self) -> None:
        """Stop to follow; whoever still waits gets a SceneError."""
        self._node.destroy_subscription(self._states)
        self._node.destroy_client(self._ask)
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._alarm.set(math.inf)
        for one in waiting:
            one.end(SceneError("the client was closed"))

    def newest(self, query: str) -> StateDescription | None:
        """Return the newest state of a query.

        Returns:
            None if there is none yet, and if the describer has said nothing for 3 s. A state may
            be LOST or UNFAMILIAR: see ``reason``.
        """
        with self._lock:
            return self._known.newest(query, time.monotonic())

    def holds(
        self, *texts: str, query: str = "", min_score: float = 0.8, for_s: float = 1.0
    ) -> bool:
        """Whether one of the texts holds now; the arguments are those of :class:`Condition`.

        Raises:
            ValueError: An argument cannot be used.
        """
        return self.check(Condition(texts, query, min_score, for_s)) is not None

    def check(self, condition: Condition) -> StateDescription | None:
        """Return the state that makes a condition hold; None if it does not hold now."""
        with self._lock:
            held = self._held(condition)
        return held[0] if held is not None and held[1] >= condition.for_s else None

    def when(
        self,
        *texts: str,
        query: str = "",
        min_score: float = 0.8,
        for_s: float = 1.0,
        timeout_s: float,
    ) -> Future:
        """Return a future of the state that makes one of the texts hold.

        Args:
            texts: As those that follow, of :class:`Condition`.
            query: Name of the query that they answer; empty for any.
            min_score: Least score, 0..1.
            for_s: How long in seconds one of them has to last.
            timeout_s: After this time, on the node's clock, the future raises NotSeenError.

        Raises:
            ValueError: An argument cannot be used.
        """
        condition = Condition(texts, query, min_score, for_s)
        return self.when_met(condition, timeout_s=timeout_s)

    def when_met(self, condition: Condition, *, timeout_s: float) -> Future:
        """Do the same as :meth:`when` for a condition that was made before.

        Raises:
            ValueError: ``timeout_s`` cannot be used.
        """
        waiting = self._begin(timeout_s, lambda: self._not_seen(condition, timeout_s), condition)
        self._look()
        return waiting.future

    def ask(self, question: str, answers: Sequence[str], *, timeout_s: float) -> Future:
        """Return a future of the embedder's response to a question about the newest clip.

        Args:
            question: As the model reads it.
            answers: The candidates, of which ``response.best`` is the index of the best.
            timeout_s: After this time, on the node's clock, the future raises AnswerError.

        Raises:
            ValueError: ``timeout_s`` cannot be used.
        """
        service = self._ask.srv_name
        late = AnswerError(f"{service} has not answered for {timeout_s:g} s")
        waiting = self._begin(timeout_s, lambda: late)
        if not self._ask.service_is_ready():
            waiting.end(AnswerError(f"{service} is not there: does the embedder run?"))
            return waiting.future
        request = Ask.Request(question=question, answers=list(answers), camera=self._camera)
        asked = self._ask.call_async(request)
        asked.add_done_callback(lambda done: waiting.end(_answer(done.result())))
        self._look()
        return waiting.future

    def wait(self, future: Future) -> Any:
        """Block this thread until a future is done, and return its result or raise its error.

        Another thread must spin the node. In a callback, ``await`` the future instead.

        Raises:
            SceneError: The executor does not run, this is its own thread, or ROS is shut down.
        """
        self._check_executor()
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        while not done.wait(_SHUTDOWN_CHECK_S):
            if not self._node.context.ok():
                raise SceneError("ROS was shut down")
        return future.result()

    def _check_executor(self) -> None:
        """Prove that something runs callbacks, so that no thread blocks for ever.

        Raises:
            SceneError: Nothing does.
        """
        alive = threading.Event()
        executor = self._node.executor
        if executor is None:
            raise SceneError("no executor has the node: add it to one, and spin that in a thread")
        executor.create_task(alive.set)
        if not alive.wait(_EXECUTOR_S):
            raise SceneError(_EXECUTOR_BUSY)

    def _on_states(self, message: States) -> None:
        now_ns = self._now_ns()
        if now_ns == 0:  # simulated time that has not begun: nothing can last in it
            return
        with self._lock:
            self._known.take(message.states, now_ns, time.monotonic())
        self._look()

    def _begin(
        self, timeout_s: float, late: Callable[[], Exception], condition: Condition | None = None
    ) -> Waiting:
        """Add somebody who waits.

        Raises:
            ValueError: The time cannot be used.
        """
        if not timeout_s > 0.0:
            raise ValueError(f"timeout_s must be above 0, not {timeout_s:g}")
        waiting = Waiting(Future(), after(self._now_ns(), timeout_s), late, condition)
        with self._lock:
            self._waiting.append(waiting)
        waiting.future.add_done_callback(lambda _: self._forget(waiting))
        return waiting

    def _look(self) -> None:
        """End what is over, and come again when the next may be."""
        with self._lock:
            now_ns, next_ns = self._now_ns(), math.inf
            ended = []
            for one in self._waiting:
                outcome, look_ns = self._judge(one, now_ns)
                if outcome is None:
                    next_ns = min(next_ns, look_ns)
                else:
                    ended.append((one, outcome))
            self._alarm.set(next_ns - now_ns)
        for one, outcome in ended:  # without the lock: this runs callbacks of the user's
            one.end(outcome)

    def _judge(self, waiting: Waiting, now_ns: int) -> tuple[Any, float]:
        """Return what a wait ends with, or else None and when to look again."""
        condition, look_ns = waiting.condition, waiting.until_ns
        held = self._held(condition) if condition is not None else None
        if held is not None and condition is not None:
            if held[1] >= condition.for_s:
                return held[0], now_ns
            look_ns = min(look_ns, after(now_ns, condition.for_s - held[1]))
        return (waiting.late() if now_ns >= waiting.until_ns else None), look_ns

    def _not_seen(self, condition: Condition, timeout_s: float) -> NotSeenError:
        known = self._known.told(time.monotonic())
        return NotSeenError(f"not within {timeout_s:g} s: {condition}; {known}")

    def _forget(self, waiting: Waiting) -> None:
        with self._lock:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _held(self, condition: Condition) -> tuple[StateDescription, float] | None:
        """Return the state that meets a condition, and the seconds for which it has."""
        held = self._known.held(condition, self._now_ns(), time.monotonic())
        return None if held is None else (held[0], held[1] / 1e9)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def _latched() -> QoSProfile:
    """Return the describer's profile, with room for some changes at once."""
    return QoSProfile(
        depth=10,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )


def _answer(response: Ask.Response) -> Ask.Response | AnswerError:
    if response.success:
        return response
    return AnswerError(f"the embedder refuses: {response.message}")
