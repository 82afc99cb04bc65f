# SPDX-License-Identifier: Apache-2.0
"""What other processes do to a store of engines while a test looks on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

from support.plans import CONTENT, manifest_of
from vljepa_ros.runtime.tensorrt import durable
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore

DEADLINE_S = 60.0
PROCESSES = multiprocessing.get_context("forkserver")
_CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")


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
    left = stop

    def hook(event: str, _arguments: object) -> None:
        nonlocal left
        if event in _CHANGES:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
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
    with durable.locked(file, waiting=lambda: None):
        held.set()
        signal.pause()
