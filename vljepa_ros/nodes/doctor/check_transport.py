# SPDX-License-Identifier: Apache-2.0
"""Do two processes of this computer find each other, and do images get through whole?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from vljepa_ros.nodes.doctor.ailments import FULL_MEMORY, NO_DISCOVERY, SMALL_SEGMENT
from vljepa_ros.nodes.doctor.finding import Finding, fault, fine, note

VGA = 640 * 480 * 3  # bytes
_PATIENCE_S = 20.0  # a busy computer takes long to start two processes
_ENOUGH = 0.8
_MEMORY = Path("/dev/shm")
_LEAST_MB = 64
_PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def check_shared_memory(folder: Path = _MEMORY) -> Iterator[Finding]:
    """Look if there is room for the segments of some processes."""
    if not folder.is_dir():
        return
    room = os.statvfs(folder)
    left, whole = (room.f_frsize * blocks >> 20 for blocks in (room.f_bavail, room.f_blocks))
    if left < _LEAST_MB:
        yield fault("shared memory", FULL_MEMORY.told(left, whole))
    else:
        yield fine("shared memory", f"/dev/shm has {left} MB left of {whole} MB")


def check_loopback(
    size: int = VGA, *, proven: bool = False, patience_s: float = _PATIENCE_S
) -> Iterator[Finding]:
    """Send images from one process to another, both of this shell.

    Args:
        size: Bytes of an image.
        proven: Whether running nodes get theirs: their processes may have another profile, and
            then it is no fault that this shell has none.
        patience_s: Seconds in which the processes must find each other.
    """
    came = _exchange(size, patience_s)
    if came is None:
        yield fault("discovery", NO_DISCOVERY.told(f"{patience_s:.0f}"))
        return
    yield fine("discovery", "two processes on this computer find each other")
    from vljepa_ros.nodes.doctor.probe import IMAGES

    facts = (came, IMAGES, size // 1000, profile_in_words())
    if came < _ENOUGH * IMAGES:
        yield (note if proven else fault)("large images", SMALL_SEGMENT.told(*facts))
    else:
        yield fine("large images", SMALL_SEGMENT.seen.format(*facts))


def profile_in_words() -> str:
    """Say which Fast DDS profile this shell has, and how much its segment holds."""
    given = [os.environ[name] for name in _PROFILES if os.environ.get(name)]
    if not given:
        return "this shell sets no Fast DDS profile; its own segment holds 512 KB"
    try:
        text = Path(given[0]).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"the Fast DDS profile {given[0]} cannot be read: {error.strerror}"
    sizes = re.findall(r"<segment_size>\s*(\d+)\s*</segment_size>", text)
    held = f"its segment holds {int(sizes[0]) // 1000} KB" if sizes else "it sets no segment_size"
    return f"Fast DDS profile {given[0]}; {held}"


def _exchange(size: int, patience_s: float) -> int | None:
    """Return how many images came through; None if the processes did not find each other."""
    topic = f"/vljepa_doctor/probe_{uuid4().hex[:8]}"
    program = [sys.executable, "-m", "vljepa_ros.nodes.doctor.probe"]
    given = [topic, str(size), str(patience_s)]
    receiver = subprocess.Popen(
        [*program, "receive", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    sender = subprocess.Popen([*program, "send", *given], stderr=subprocess.DEVNULL)
    try:
        printed, _ = receiver.communicate(timeout=4 * patience_s)
        sender.wait(patience_s)
    except subprocess.TimeoutExpired:
        printed = ""
    finally:
        for process in (receiver, sender):
            process.kill()
            process.wait()
    return int(printed) if printed.strip().isdigit() else None
