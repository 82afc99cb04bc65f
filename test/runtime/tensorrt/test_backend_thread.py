# SPDX-License-Identifier: Apache-2.0
"""The thread that owns a device: everything happens there, and it is closed whatever happens."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.tensorrt.device_thread import DeviceThread


class Device:
    """Notes on which thread it is opened, used and closed."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.closed = threading.Event()

    @contextmanager
    def opened(self) -> Iterator[Device]:
        self.note()
        try:
            yield self
        finally:
            self.note()
            self.closed.set()

    def note(self) -> int:
        self.threads.append(threading.get_ident())
        return len(self.threads)


def test_all_of_a_devices_life_is_on_one_thread() -> None:
    device = Device()
    thread = DeviceThread("test", device.opened)
    others = [threading.Thread(target=thread.call, args=(Device.note,)) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert thread.call(Device.note) == 6
    thread.close()
    assert len(device.threads) == 7
    assert len({*device.threads}) == 1
    assert threading.get_ident() not in device.threads


def test_an_error_reaches_who_asked_and_the_thread_goes_on() -> None:
    device = Device()
    thread = DeviceThread("test", device.opened)
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda _: 1 // 0)
    assert thread.call(Device.note) == 2
    thread.close()


def test_after_closing_calls_are_refused_and_closing_again_does_nothing() -> None:
    device = Device()
    thread = DeviceThread("test", device.opened)
    thread.close()
    thread.close()
    with pytest.raises(BackendError, match="test is closed"):
        thread.call(Device.note)
    assert len(device.threads) == 2


def test_what_fails_while_opening_comes_out() -> None:
    @contextmanager
    def broken() -> Iterator[Device]:
        raise OSError("no such device")
        yield Device()

    before = threading.active_count()
    with pytest.raises(OSError, match="no such device"):
        DeviceThread("test", broken)
    gc.collect()
    assert threading.active_count() <= before


def test_a_thread_that_is_forgotten_closes_its_device() -> None:
    device = Device()
    DeviceThread("test", device.opened).call(Device.note)
    gc.collect()
    assert device.closed.is_set()


def test_the_end_of_the_program_closes_the_device() -> None:
    code = (
        "from contextlib import contextmanager\n"
        "from vljepa_ros.runtime.tensorrt.device_thread import DeviceThread\n"
        "@contextmanager\n"
        "def opened():\n"
        "    yield print('opened')\n"
        "    print('closed')\n"
        "thread = DeviceThread('test', opened)\n"
        "print('end')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["opened", "end", "closed"], "")
