# SPDX-License-Identifier: Apache-2.0
"""What ends a thread is raised again in the main thread."""

from __future__ import annotations

import threading

import pytest

from vljepa_ros.demo.thread_faults import ThreadFaults


def end_a_thread_by(error: BaseException) -> None:
    def work() -> None:
        raise error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_the_first_exception_is_raised() -> None:
    with ThreadFaults() as faults:
        end_a_thread_by(OSError("no space left"))
        end_a_thread_by(ValueError("a consequence"))
        with pytest.raises(OSError, match="no space left"):
            faults.check()


def test_without_a_fault_nothing_is_raised_and_the_hook_is_given_back() -> None:
    before = threading.excepthook
    with ThreadFaults() as faults:
        faults.check()
        assert threading.excepthook is not before
    assert threading.excepthook is before
