# SPDX-License-Identifier: Apache-2.0
"""A request to stop, so that a run can save before it leaves."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Inside the block the first Ctrl-C or SIGTERM only sets ``asked``; a second one ends."""

    def __init__(self) -> None:
        self.event = Event()
        """Set when somebody asked; for work that takes an event."""

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self.event.is_set()

    def __enter__(self) -> Interrupts:
        """Take over the signals."""
        self._before = {number: signal.signal(number, self._ask) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.event.set()
        signal.signal(number, self._before[signal.Signals(number)])


def ignore_interrupts(worker: int) -> None:
    """Leave a request to stop to the process that started this one (a DataLoader's worker)."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
