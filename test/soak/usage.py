# SPDX-License-Identifier: Apache-2.0
"""What a process holds now, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """Resident memory and mapped shared memory in MiB, threads and open descriptors."""

    memory_mib: float
    threads: int
    descriptors: int
    shared_mib: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Measure a process.

        Raises:
            OSError: it has ended.
        """
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        return cls(
            memory_mib=pages * _PAGE / 2**20,
            threads=len(list((process / "task").iterdir())),
            descriptors=len(list((process / "fd").iterdir())),
            shared_mib=_shared_bytes(process) / 2**20,
        )


def _shared_bytes(process: Path) -> int:
    """Return how much of /dev/shm a process has mapped."""
    total = 0
    for line in (process / "maps").read_text().splitlines():
        if "/dev/shm/" in line:
            start, end = (int(one, 16) for one in line.split()[0].split("-"))
            total += end - start
    return total
