# SPDX-License-Identifier: Apache-2.0
"""Whether the disks have room for what is to come, asked before anything comes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from vljepa_ros.hub.fetch_error import FetchError


def check_space(wanted: Iterable[tuple[Path, int]]) -> None:
    """Check that all of it fits, however many of the folders lie on one disk.

    Args:
        wanted: folder, which need not exist yet, and the bytes that come into it.

    Raises:
        FetchError: a disk has too little room.
    """
    disks: dict[int, tuple[Path, int]] = {}
    for folder, size in wanted:
        there = _existing(folder)
        before = disks.get(there.stat().st_dev, (there, 0))
        disks[there.stat().st_dev] = (before[0], before[1] + size)
    for folder, size in disks.values():
        free = shutil.disk_usage(folder).free
        if free < size:
            raise FetchError(
                f"the disk of {folder} has {gigabytes(free)} left, but {gigabytes(size)} are "
                "needed: make room, or name another place with --out"
            )


def gigabytes(size: float) -> str:
    """Return a size as people read it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _existing(folder: Path) -> Path:
    resolved = folder.resolve()
    return next(path for path in (resolved, *resolved.parents) if path.exists())
