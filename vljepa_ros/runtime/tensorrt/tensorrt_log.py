# SPDX-License-Identifier: Apache-2.0
"""Keeps what TensorRT complains about: calls return None or False, and its log says why."""

from __future__ import annotations

from collections import deque
from typing import Any

_KEPT_LINES = 5
_kept: list[Any] = []  # libraries write to a logger after what was given it is gone


def collecting_logger(trt: Any) -> Any:
    """Return a ``trt.ILogger`` that prints nothing and remembers the last warnings and errors.

    Its method ``tail()`` returns them in one line of text, newest last.
    """

    class Collector(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

        def log(self, severity: Any, message: str) -> None:
            if int(severity) <= int(trt.ILogger.Severity.WARNING):
                self._lines.append(" ".join(message.split()))

        def tail(self) -> str:
            return " | ".join(self._lines) or "TensorRT's log says nothing"

    _kept.append(Collector())
    return _kept[-1]
