# SPDX-License-Identifier: Apache-2.0
"""The worker thread: newest first, calls in turn, and an end that does not hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from vljepa_ros.nodes.common.worker import Worker, WorkerStoppedError

DEADLINE_S = 20.0


class Job:
    """Handles items; holds at "hold" until released, and fails at "fail"."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.held = threading.Event()
        self.release = threading.Event()
        self.woken = threading.Event()
        self.fails_when_released = False
        self._handled: list[str] = []
        self._changed = threading.Condition()
        self.worker: Worker[str] = Worker(
            self._handle, on_error=self.errors.append, wake=self.woken.set
        )

    def _handle(self, item: str) -> None:
        if item == "hold":
            self.held.set()
            assert self.release.wait(DEADLINE_S)
        if item == "fail" or self.fails_when_released:
            raise KeyError(item)
        with self._changed:
            self._handled.append(item)
            self._changed.notify()

    def hold(self) -> None:
        """Keep the worker busy."""
        self.worker.put("hold")
        assert self.held.wait(DEADLINE_S)

    def handled(self, last: str) -> list[str]:
        """Release the worker and return what it has handled once that ends with ``last``."""
        self.release.set()
        with self._changed:
            assert self._changed.wait_for(lambda: self._handled[-1:] == [last], DEADLINE_S)
        return self._handled

    def result(self, future: Any) -> Any:
        assert self.woken.wait(DEADLINE_S)
        assert future.done()
        return future.result()


@pytest.fixture
def job() -> Iterator[Job]:
    it = Job()
    yield it
    it.release.set()
    assert it.worker.stop()


def test_an_item_replaces_the_one_that_waits(job: Job) -> None:
    job.hold()
    assert [job.worker.put(item) for item in "abc"] == [False, True, True]
    assert job.handled(last="c") == ["hold", "c"]


def test_items_of_another_kind_wait_side_by_side(job: Job) -> None:
    job.hold()
    for item in ("a1", "b1", "a2"):
        job.worker.put(item, kind=item[0])
    assert job.handled(last="b1") == ["hold", "a2", "b1"]


def test_what_replaces_may_keep_something_of_the_old(job: Job) -> None:
    job.hold()
    for item in "abc":
        job.worker.put(item, merge=str.__add__)
    assert job.handled(last="abc") == ["hold", "abc"]


def test_cleared_items_are_forgotten(job: Job) -> None:
    job.hold()
    job.worker.put("a")
    job.worker.clear()
    assert not job.worker.put("b")
    assert job.handled(last="b") == ["hold", "b"]


def test_the_worker_outlives_an_error(job: Job) -> None:
    job.worker.put("fail", kind=1)
    job.worker.put("a", kind=2)
    job.handled(last="a")
    assert [type(error) for error in job.errors] == [KeyError]


def test_a_call_is_answered_from_the_worker(job: Job) -> None:
    thread = job.result(job.worker.call(threading.current_thread))
    assert thread is not threading.current_thread()


def test_what_a_call_raises_is_its_answer(job: Job) -> None:
    future = job.worker.call(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        job.result(future)
    assert job.errors == []


def test_stop_fails_the_calls_that_wait_and_those_that_come_later(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", 0.05)
    job.hold()
    waiting = job.worker.call(lambda: "never")
    assert not job.worker.stop(), "it is held"
    for future in (waiting, job.worker.call(lambda: "never")):
        with pytest.raises(WorkerStoppedError):
            job.result(future)


def test_stop_does_not_wait_for_ever_and_drops_late_errors(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", 0.05)
    job.hold()
    job.fails_when_released = True
    assert not job.worker.stop()
    job.release.set()
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", DEADLINE_S)
    assert job.worker.stop(), "stopping twice is fine"
    assert job.errors == []


def test_draining_waits_for_what_is_in_hand_and_what_waits(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert job.worker.drain()
    job.hold()
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", 0.01)
    assert not job.worker.drain()
    job.worker.put("last")
    monkeypatch.setattr("vljepa_ros.nodes.common.worker._PATIENCE_S", DEADLINE_S)
    job.release.set()
    assert job.worker.drain()
    assert job._handled == ["hold", "last"]
