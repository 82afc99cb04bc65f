# SPDX-License-Identifier: Apache-2.0
"""Index recordings with several processes of this machine."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

from vljepa_ros.index.find_recordings import RecordingJob
from vljepa_ros.index.index_job import Fate, IndexOptions, Outcome, run_job
from vljepa_ros.interrupts import Interrupts

Told = Callable[[RecordingJob, float], None]
"""Is told the seconds of a recording that are done."""

_LAST_NEWS_S = 1.0
_TRIES = 3  # before a recording is blamed for the death of its process
_worker: tuple[IndexOptions, Any, Any] | None = None  # options, queue of news, event to stop


class _StoppedError(RuntimeError):
    """The user stopped the index."""


def run_here(jobs: Sequence[RecordingJob], options: IndexOptions, told: Told) -> Iterator[Outcome]:
    """Yield what becomes of the recordings, one after the other in this process.

    Ctrl-C and SIGTERM are noticed between clips. Raised elsewhere they could get lost: Python
    drops what is raised while a library's object is deleted.
    """
    with Interrupts() as interrupts:

        def progress(job: RecordingJob, seconds: float) -> None:
            told(job, seconds)
            if interrupts.asked:
                raise KeyboardInterrupt

        for job in jobs:
            yield run_job(job, options, partial(progress, job))
            if interrupts.asked:
                raise KeyboardInterrupt


def run_in_processes(
    jobs: Sequence[RecordingJob], options: IndexOptions, workers: int, told: Told
) -> Iterator[Outcome]:
    """Yield what becomes of the recordings, in the order in which they are done.

    If a process dies, what it worked on is done again by another one.
    """
    context = multiprocessing.get_context("spawn")  # LanceDB does not survive a fork
    stop = context.Event()
    waiting, deaths = list(jobs), Counter[RecordingJob]()
    while waiting:
        with (
            _listening(context, told) as news,
            ProcessPoolExecutor(
                workers, context, initializer=_begin, initargs=(options, news, stop)
            ) as pool,
        ):
            yield from _one_pool(pool, workers, waiting, deaths, stop)


@contextmanager
def _listening(context: Any, told: Told) -> Iterator[Any]:
    """Yield a queue for the news of one pool's processes.

    A process that is killed may leave its queue locked for ever. So each pool has its own, and
    nobody waits long for the end of it.
    """
    news = context.Queue()
    listener = threading.Thread(target=_listen, args=(news, told), daemon=True)
    listener.start()
    try:
        yield news
    finally:
        news.cancel_join_thread()
        news.put(None)
        listener.join(_LAST_NEWS_S)


def _one_pool(
    pool: ProcessPoolExecutor,
    workers: int,
    waiting: list[RecordingJob],
    deaths: Counter[RecordingJob],
    stop: Any,
) -> Iterator[Outcome]:
    """Take jobs from those that wait, until none is left or a process dies."""
    running: dict[Future[Outcome], RecordingJob] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running[pool.submit(_work, job)] = job
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = done.result()
                del running[done]
                yield outcome
    except BrokenProcessPool:
        for job in running.values():
            deaths[job] += 1
            if deaths[job] < _TRIES:
                waiting.append(job)
            else:
                cause = f"the process that read it died {_TRIES} times: is there enough memory?"
                yield Outcome(job, Fate.UNREADABLE, cause)
    except BaseException:
        stop.set()
        raise


def _begin(options: IndexOptions, news: Any, stop: Any) -> None:
    """Remember what all jobs of this process need; Ctrl-C is for the one that began it."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = (options, news, stop)


def _work(job: RecordingJob) -> Outcome:
    """Index a recording in a process of the pool."""
    assert _worker is not None, "the pool began it"
    options, news, stop = _worker

    def progress(seconds: float) -> None:
        news.put((job, seconds))
        if stop.is_set():
            raise _StoppedError

    return run_job(job, options, progress)


def _listen(news: Any, told: Told) -> None:
    while (one := news.get()) is not None:
        told(*one)
