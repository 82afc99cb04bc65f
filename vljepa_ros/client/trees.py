# SPDX-License-Identifier: Apache-2.0
"""Behaviours for py_trees, ticked as often as the tree likes; none of them blocks.

``pip install py_trees``, or ``sudo apt install ros-$ROS_DISTRO-py-trees``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from py_trees.behaviour import Behaviour
from py_trees.common import Status
from rclpy.task import Future

from vljepa_ros.client.condition import Condition
from vljepa_ros.client.scene_client import SceneClient


class IsSeen(Behaviour):
    """SUCCESS while a condition holds, else FAILURE."""

    def __init__(self, name: str, client: SceneClient, condition: Condition) -> None:
        """Look at ``condition`` through ``client``."""
        super().__init__(name)
        self._client, self._condition = client, condition

    def update(self) -> Status:
        """Look at the states that are known now."""
        state = self._client.check(self._condition)
        self.feedback_message = state.text if state is not None else f"not {self._condition}"
        return Status.FAILURE if state is None else Status.SUCCESS


class FutureBehaviour(Behaviour):
    """RUNNING until a future is done, FAILURE if that raises; begins anew with each visit."""

    def __init__(self, name: str, begin: Callable[[], Future]) -> None:
        """Call ``begin`` with each visit of the tree."""
        super().__init__(name)
        self._begin = begin
        self._future: Future | None = None

    def initialise(self) -> None:
        """Begin to wait."""
        self._future = self._begin()

    def update(self) -> Status:
        """Look if the wait is over."""
        if self._future is None or not self._future.done():
            return Status.RUNNING
        if (error := self._future.exception()) is not None:
            self.feedback_message = str(error)
            return Status.FAILURE
        return self.judge(self._future.result())

    def terminate(self, new_status: Status) -> None:
        """Give up a wait that something else has interrupted."""
        if self._future is not None and not self._future.done():
            self._future.cancel()
        self._future = None

    def judge(self, result: Any) -> Status:
        """Return SUCCESS or FAILURE, and say why."""
        raise NotImplementedError


class WaitUntilSeen(FutureBehaviour):
    """RUNNING until a condition holds, FAILURE after a time without."""

    def __init__(
        self, name: str, client: SceneClient, condition: Condition, timeout_s: float
    ) -> None:
        """Wait for ``condition`` through ``client``, for ``timeout_s`` on its node's clock."""
        super().__init__(name, lambda: client.when_met(condition, timeout_s=timeout_s))

    def judge(self, result: Any) -> Status:
        """Succeed with any of the texts."""
        self.feedback_message = result.text
        return Status.SUCCESS


class AskScene(FutureBehaviour):
    """SUCCESS if a question about the newest clip gets the wanted answer, sure enough."""

    def __init__(
        self,
        name: str,
        client: SceneClient,
        question: str,
        answers: Sequence[str],
        *,
        wanted: str,
        min_score: float = 0.8,
        timeout_s: float = 5.0,
    ) -> None:
        """Ask ``question``; ``wanted`` is one of ``answers``, with a share of ``min_score``.

        Raises:
            ValueError: ``wanted`` is none of the answers.
        """
        super().__init__(name, lambda: client.ask(question, answers, timeout_s=timeout_s))
        self._index, self._answers = list(answers).index(wanted), list(answers)
        self._min_score = min_score

    def judge(self, result: Any) -> Status:
        """Compare the best answer with the wanted one."""
        best, score = result.best, result.scores[result.best]
        self.feedback_message = f"{self._answers[best]} ({score:.2f})"
        met = best == self._index and score >= self._min_score
        return Status.SUCCESS if met else Status.FAILURE
