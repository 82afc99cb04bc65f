# SPDX-License-Identifier: Apache-2.0
"""Somebody who waits, and the one timer that looks after all of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.task import Future

from vljepa_ros.client.condition import Condition

_NS_PER_S = 1e9
_ANY_S = 3600.0


@dataclass(eq=False)
class Waiting:
    """A wait that is not over.

    Attributes:
        future: Gets the result, or the error.
        until_ns: When it is given up, on the node's clock.
        late: The error of that; made when it happens.
        condition: What is waited for; None if somebody else brings the result.
    """

    future: Future
    until_ns: float
    late: Callable[[], Exception]
    condition: Condition | None = None

    def end(self, outcome: Any) -> None:
        """Hand over a result or an error, unless the future was cancelled."""
        if self.future.done() or self.future.cancelled():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Alarm:
    """One timer on the node's clock, which is set again and again.

    It is never destroyed: an executor may be about to call a timer that another thread destroys,
    and rclpy then raises in the executor.
    """

    def __init__(self, node: Node, callback: Callable[[], None], group: CallbackGroup) -> None:
        """Be silent until :meth:`set`."""
        self._timer = node.create_timer(_ANY_S, callback, callback_group=group)
        self._timer.cancel()

    def set(self, in_ns: float) -> None:
        """Ring in some nanoseconds, and not when it was set to before; never if infinite."""
        if math.isinf(in_ns):
            self._timer.cancel()
            return
        self._timer.timer_period_ns = max(1, math.ceil(in_ns))
        self._timer.reset()


def after(now_ns: int, seconds: float) -> float:
    """Return the time in nanoseconds after some seconds; may be infinite."""
    return now_ns + seconds * _NS_PER_S
