# SPDX-License-Identifier: Apache-2.0
"""An exception that ends any thread ends the program, instead of leaving it waiting."""

from __future__ import annotations

import threading
from types import TracebackType


class ThreadFaults:
    """Keeps the first exception that ended a thread, for the main thread to raise."""

    def __init__(self) -> None:
        """Know of none."""
        self._first: BaseException | None = None

    def check(self) -> None:
        """Raise the exception that ended a thread, if one did."""
        if self._first is not None:
            raise self._first

    def __enter__(self) -> ThreadFaults:
        """Take note of the threads' exceptions from now on."""
        self._hook = threading.excepthook
        threading.excepthook = self._keep
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave them to Python again."""
        threading.excepthook = self._hook

    def _keep(self, fault: threading.ExceptHookArgs) -> None:
        self._first = self._first or fault.exc_value
