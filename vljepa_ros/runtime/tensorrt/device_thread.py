# SPDX-License-Identifier: Apache-2.0
"""One thread that owns a device, and does there what other threads ask for.

A CUDA context is current on a thread, not in a process, and must be popped by the thread that
pushed it, or the process aborts when it ends. So what is opened here lives in a ``with`` block of
one thread, whose end is reached on every path: after :meth:`DeviceThread.close`, after an error
while opening, when the last reference is gone, and when the interpreter ends.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Generic, TypeVar

from vljepa_ros.runtime.backend import BackendError

_PATIENCE_S = 10.0  # for what the thread is doing when it is closed
_Device = TypeVar("_Device")
_Result = TypeVar("_Result")


class DeviceThread(Generic[_Device]):
    """Opens a device in a thread of its own. :meth:`call` may be called from several threads."""

    def __init__(self, name: str, opened: Callable[[], AbstractContextManager[_Device]]) -> None:
        """Open the device and wait until that is done, which may take minutes.

        Args:
            name: of the thread, and of the device in errors.
            opened: makes the device in the thread, and closes it there.

        Raises:
            Exception: whatever ``opened`` raises.
        """
        self._name = name
        self._lock = threading.Lock()
        self._calls: SimpleQueue[Callable[[_Device], None] | None] = SimpleQueue()
        ready: Future[None] = Future()
        arguments = (opened, self._calls, ready)
        thread = threading.Thread(target=_serve, args=arguments, name=name, daemon=True)
        self._end = weakref.finalize(self, _stop, thread, self._calls)
        thread.start()
        ready.result()

    def call(self, function: Callable[[_Device], _Result]) -> _Result:
        """Run ``function`` with the device in the thread, wait, and return or raise what it does.

        Raises:
            BackendError: the thread is closed.
        """
        future: Future[_Result] = Future()
        with self._lock:  # nothing may come after the call that ends the thread
            if not self._end.alive:
                raise BackendError(f"{self._name} is closed")
            self._calls.put(lambda device: _answer(function, device, future))
        return future.result()

    def close(self) -> None:
        """Close the device after the calls that wait; more than once does no harm."""
        with self._lock:
            self._end()


def _serve(
    opened: Callable[[], AbstractContextManager[_Device]],
    calls: SimpleQueue[Callable[[_Device], None] | None],
    ready: Future[None],
) -> None:
    try:
        with opened() as device:
            ready.set_result(None)
            while (call := calls.get()) is not None:
                call(device)
                del call  # it holds what it answered, and the next may be long in coming
    except Exception as error:
        if ready.done():
            raise  # only closing failed: the thread's end tells of it
        ready.set_exception(error)


def _answer(
    function: Callable[[_Device], _Result], device: _Device, future: Future[_Result]
) -> None:
    try:
        future.set_result(function(device))
    except Exception as error:  # It belongs to whoever asked.
        future.set_exception(error)


def _stop(thread: threading.Thread, calls: SimpleQueue[Callable[[_Device], None] | None]) -> None:
    calls.put(None)
    if thread is not threading.current_thread():  # the last reference may be dropped there
        thread.join(_PATIENCE_S)
