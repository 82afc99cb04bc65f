# SPDX-License-Identifier: Apache-2.0
"""One thread that computes, so that callbacks return at once, whatever the model takes.

New input replaces input of the same kind that still waits: when the model is slower than the
camera, the newest frame wins and the age of a result stays bounded. Calls from services run
between inputs in the same thread, so the model never competes with itself for the processor and
its state needs no lock. The thread waits on a condition; it never polls.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rclpy.task import Future

THREADS = "vljepa"  # how the names of the nodes' own threads begin
_PATIENCE_S = 1.0  # for what the thread is doing when it is stopped

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class WorkerStoppedError(RuntimeError):
    """The worker stopped before it came to a call."""


class Worker(Generic[_Item]):
    """Handles the newest item of each kind, and calls, one after the other."""

    def __init__(
        self,
        handle: Callable[[_Item], None],
        *,
        on_error: Callable[[Exception], None],
        wake: Callable[[], None],
    ) -> None:
        """Start the thread.

        Args:
            handle: takes each item, in the thread.
            on_error: takes what ``handle`` raises, in the thread; the thread goes on.
            wake: makes the executor look at a finished call; called in the thread.
        """
        self._handle = handle
        self._on_error = on_error
        self._wake = wake
        self._changed = threading.Condition()
        self._items: dict[Hashable, _Item] = {}
        self._calls: deque[tuple[Callable[[], object], Future]] = deque()
        self._stopping = self._busy = False
        self._thread = threading.Thread(target=self._loop, name=f"{THREADS} worker", daemon=True)
        self._thread.start()

    def put(
        self,
        item: _Item,
        *,
        kind: Hashable = None,
        merge: Callable[[_Item, _Item], _Item] | None = None,
    ) -> bool:
        """Hand over an item; return whether it replaced one of its kind that still waited.

        Args:
            item: what to handle.
            kind: items of one kind replace each other.
            merge: makes what takes the place of (old, new); the new one if this is None.
        """
        with self._changed:
            replaced = kind in self._items
            if replaced and merge is not None:
                item = merge(self._items[kind], item)
            self._items[kind] = item
            self._changed.notify_all()
        return replaced

    def call(self, function: Callable[[], _Result]) -> Future:
        """Run ``function`` in the thread; the future can be awaited in a callback of rclpy.

        The future's result raises what the function raised, or WorkerStoppedError.
        """
        future = Future()
        future.add_done_callback(lambda _: self._wake())
        with self._changed:
            if self._stopping:
                future.set_exception(WorkerStoppedError("the node has stopped"))
            else:
                self._calls.append((function, future))
                self._changed.notify_all()
        return future

    def post(self, function: Callable[[], object]) -> None:
        """Run ``function``, which must not fail, in the thread; nobody waits for it."""
        self.call(function).add_done_callback(Future.exception)  # counts as looked at

    def clear(self) -> None:
        """Forget the items that wait."""
        with self._changed:
            self._items.clear()

    def drain(self) -> bool:
        """Wait until all is done; return False if that takes longer than a second."""

        def is_done() -> bool:
            return not (self._busy or self._calls or self._items) or self._stopping

        with self._changed:
            return self._changed.wait_for(is_done, _PATIENCE_S)

    def stop(self) -> bool:
        """End the thread; return False if it is still busy after a second.

        Waiting items are forgotten and waiting calls fail. A busy thread ends after what it does
        now, and does not keep the process from ending.
        """
        with self._changed:
            self._stopping = True
            self._items.clear()
            calls, self._calls = self._calls, deque()
            self._changed.notify_all()
        for _, future in calls:
            future.set_exception(WorkerStoppedError("the node has stopped"))
        self._thread.join(_PATIENCE_S)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Callable[[], None] | None:
        """Wait for work; None is the end."""
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._calls or self._items or self._stopping)
            if self._stopping:
                return None
            self._busy = True
            if self._calls:
                function, future = self._calls.popleft()
                return lambda: answer(function, future)
            item = self._items.pop(next(iter(self._items)))
            return lambda: self._handle_one(item)

    def _handle_one(self, item: _Item) -> None:
        try:
            self._handle(item)
        except Exception as error:  # The thread must outlive any input.
            if not self._stopping:  # else what it needs may be gone already
                self._on_error(error)


def answer(function: Callable[[], object], future: Future) -> None:
    """Give a future what a function returns or raises."""
    try:
        result = function()
    except Exception as error:  # Belongs to whoever awaits the call.
        future.set_exception(error)
    else:
        future.set_result(result)
