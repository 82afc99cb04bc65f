# SPDX-License-Identifier: Apache-2.0
"""Reads ahead in a thread: while the model computes, the next images are decoded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

_T = TypeVar("_T")
_AHEAD = 16


class _Failed:
    """Carries what the reading raised to the thread that takes the items."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def read_ahead(items: Iterator[_T]) -> Generator[_T, None, None]:
    """Yield items that a thread of its own reads, a few of them ahead.

    Closing the iterator ends the thread. What the reading raises is raised here.
    """
    ready: queue.Queue[_T | _Failed | None] = queue.Queue(_AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(items, ready, stop), daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, _Failed):
                raise item.error
            yield item
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for a place
            _empty(ready)
            thread.join(0.01)


def _read(
    items: Iterator[_T], ready: queue.Queue[_T | _Failed | None], stop: threading.Event
) -> None:
    try:
        for item in items:
            ready.put(item)
            if stop.is_set():
                return
        ready.put(None)
    except BaseException as error:
        ready.put(_Failed(error))


def _empty(ready: queue.Queue[_T | _Failed | None]) -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        pass
