# SPDX-License-Identifier: Apache-2.0
"""An executor that goes on after an exception in a callback.

rclpy's executors raise what a callback raised, and with that the process ends: one bad request
would stop a robot's eyes. Here every callback is guarded in one place, whatever its kind:
subscription, service, timer, event, guard condition, client or task.
"""

from __future__ import annotations

from typing import Any

from rclpy.executors import (
    ExternalShutdownException,
    ShutdownException,
    SingleThreadedExecutor,
    TimeoutException,
)

from vljepa_ros.nodes.common.lifecycle import ManagedNode


class GuardedExecutor(SingleThreadedExecutor):
    """Runs the callbacks of managed nodes in one thread; counts what they raise."""

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Wait for one callback and run it.

        Args:
            timeout_sec: Seconds to wait; None is no limit.

        Raises:
            ExternalShutdownException: The context has ended, and with it the spinning.
        """
        try:
            task, entity, node = self.wait_for_ready_callbacks(timeout_sec=timeout_sec)
        except (ShutdownException, TimeoutException):
            return
        task()  # an interrupt is no Exception and goes through
        error = task.exception()
        if error is None:
            return
        if isinstance(error, ExternalShutdownException) or not self.context.ok():
            raise error  # what a callback meets after the end of the context is no fault
        self._free(entity)
        self._count(error, node)

    def _count(self, error: Exception, node: Any) -> None:
        """Count the error at its node; a task has none, so all of ours count it."""
        for one in self.get_nodes() if node is None else [node]:
            if isinstance(one, ManagedNode):
                one.tally.count_error(error)

    def _free(self, entity: Any) -> None:
        """Listen to an entity again whose message could not even be taken.

        rclpy leaves it, and the group of callbacks that waits for it, blocked in this case.
        """
        if getattr(entity, "_executor_event", False):
            entity._executor_event = False
            entity.callback_group.ending_execution(entity)
            self.wake()
