# SPDX-License-Identifier: Apache-2.0
"""Contestants that take turns, each in a process of its own, so that each has its own memory.

One after the other for several rounds: what else the machine does meets all of them alike, so the
ratio of two medians says more than either.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

import psutil

from benchmarks.paper.results import Figures

Job = Callable[[], object]


class Contestant(NamedTuple):
    """What is timed.

    Attributes:
        prepare: makes the job, in the contestant's own process.
        answers: that one run of the job gives.
        runs: of the job in one round.
    """

    prepare: Callable[[], Job]
    answers: int
    runs: int


def costs(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, Figures]:
    """Return, by contestant, CPU milliseconds and memory.

    ``ms`` are those of a run, and the median over the rounds; ``ms_per_answer`` and
    ``answers_per_s`` follow from it, and ``ratio`` says how often an answer of the first
    contestant would fit into one. ``spread`` is the longest run divided by the shortest.
    ``resident_mb`` is the memory in use at the end.
    """
    context = multiprocessing.get_context("spawn")
    samples: dict[str, list[_Sample]] = {name: [] for name in contestants}
    with ExitStack() as stack:
        pipes = {}
        for name, contestant in contestants.items():
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, contestant), daemon=True)
            process.start()
            theirs.close()  # so that a process that ends is noticed
            stack.callback(process.join)
            stack.callback(ours.close)
            pipes[name] = ours
            ours.recv()  # prepared: the next one does not disturb it
        for _ in range(rounds):
            for name, pipe in pipes.items():
                pipe.send(True)
                samples[name].append(pipe.recv())
    figures = {name: _figures(samples[name], one.answers) for name, one in contestants.items()}
    first = next(iter(figures.values()))["ms_per_answer"]
    return {
        name: {**each, "ratio": each["ms_per_answer"] / first} for name, each in figures.items()
    }


class _Sample(NamedTuple):
    """Of one round: CPU milliseconds of a run, and resident MB at its end."""

    ms: float
    resident_mb: float


def _figures(samples: list[_Sample], answers: int) -> Figures:
    times = [sample.ms for sample in samples]
    median = statistics.median(times)
    return {
        "ms": median,
        "ms_per_answer": median / answers,
        "answers_per_s": 1e3 * answers / median,
        "spread": max(times) / min(times),
        "resident_mb": samples[-1].resident_mb,
    }


def _serve(pipe: Connection, contestant: Contestant) -> None:
    """Run the job whenever asked, and tell what it took."""
    job = contestant.prepare()
    job()  # the first run also reserves memory
    pipe.send(True)
    with suppress(EOFError):  # the other end is closed when all is measured
        while pipe.recv():
            began = time.process_time()
            for _ in range(contestant.runs):
                job()
            spent = (time.process_time() - began) / contestant.runs
            pipe.send(_Sample(spent * 1e3, psutil.Process().memory_info().rss / 1e6))
