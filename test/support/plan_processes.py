# SPDX-License-Identifier: Apache-2.0
"""What other processes do to a store of engines while a test looks on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from support import fake_nvidia, fake_tensorrt
from support.plans import CONTENT, manifest_of
from support.sudden_death import die_before_change
from vljepa_ros import files
from vljepa_ros.commands import build_engine
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.driver import probe_gpu
from vljepa_ros.runtime.tensorrt.engines import BuildNews, Progress, ensure_engines
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan

DEADLINE_S = 60.0
PROCESSES = multiprocessing.get_context("forkserver")


def start(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a process that does ``work``; it ends with the test at the latest."""
    PROCESSES.set_forkserver_preload([__name__])
    process = PROCESSES.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def exit_status(work: Callable[..., None], *arguments: object) -> int | None:
    """Run ``work`` in a process of its own; a signal that ended it is a negative number."""
    process = start(work, *arguments)
    process.join(DEADLINE_S)
    return process.exitcode


def save_until_killed(root: Path, stop: int) -> None:
    """Save an engine, but die of SIGKILL right before the change number ``stop`` of the disk."""
    store, manifest = PlanStore(root, allow_untrusted=True), manifest_of()
    die_before_change(stop)
    store.save(manifest, CONTENT)
    os._exit(0)


def save_on_a_full_disk(root: Path) -> None:
    """Save an engine that is too large; a limit of the kernel stands for the end of the disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        PlanStore(root, allow_untrusted=True).save(manifest_of(), CONTENT)
    except OSError:
        os._exit(3)


def hold_lock(file: Path, held: Event) -> None:
    """Take a lock and never let it go."""
    with files.locked(file, waiting=lambda: None):
        held.set()
        signal.pause()


def build_engines(
    bundle: Path, root: Path, driver: Path, held: Event, go_on: Event, build_log: str
) -> None:
    """Build a bundle's engines on a fake GPU, but say ``held`` and rest until ``go_on``.

    Where another process builds, it says so and waits for that one.
    """
    os.environ[fake_tensorrt.BUILD_LOG] = build_log

    def rest(news: BuildNews) -> None:
        if news.fraction:
            held.set()
            go_on.wait(DEADLINE_S)
        elif "another process" in news.text:
            held.set()

    _ensure(bundle, root, driver, rest)
    os._exit(0)


def run_build_engine(words: list[str], driver: Path, building: Event) -> None:
    """Run the program on a fake GPU, whose TensorRT builds for ever."""
    patch = pytest.MonkeyPatch()
    fake_nvidia.install(patch, driver)

    def build(*_arguments: object) -> None:
        building.set()
        signal.pause()

    patch.setattr(fake_tensorrt.Builder, "build_serialized_network", build)
    os._exit(build_engine.main(words))


def build_on_a_full_disk(bundle: Path, root: Path, driver: Path) -> None:
    """Build a bundle's engines where no file may have more than 256 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
    told: list[BuildNews] = []
    plans = _ensure(bundle, root, driver, told.append)
    warned = [news.graph for news in told if news.warning and "in memory" in news.text]
    in_memory = [graph for graph, plan in plans.items() if plan.path is None and plan.read()]
    os._exit(0 if warned == in_memory == [*plans] else 3)


def _ensure(
    bundle: Path, root: Path, driver: Path, progress: Progress
) -> Mapping[str, VerifiedPlan]:
    fake_nvidia.install(pytest.MonkeyPatch(), driver)
    store = PlanStore(root, allow_untrusted=True)
    return ensure_engines(
        Bundle.load(bundle), store, probe_gpu(), allow_build=True, progress=progress
    )
