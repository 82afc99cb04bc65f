# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or not there, also after a power cut, and locks between processes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_FOLDER_MODE, _FILE_MODE = 0o755, 0o644  # everybody may read, only the owner may write


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may write, and the folders above it."""
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a folder with these files in the place of one that may be there.

    It gets its name when all of them are on the disk. The caller holds a lock for ``folder``, so
    what an earlier writer left half done is nobody's.

    Raises:
        OSError: it cannot be written; nothing is left behind and an older folder stays.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(_FOLDER_MODE)
        for name, content in files.items():
            _write_and_sync(part / name, content)
        _sync_folder(part)
        _take_place(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_file(file: Path, content: bytes) -> None:
    """Put a file in the place of one that may be there; the caller holds a lock for it.

    Raises:
        OSError: it cannot be written; nothing is left behind and an older file stays.
    """
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        _write_and_sync(part, content)
        part.replace(file)
        _sync_folder(file.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that ends with the process at the latest, however that ends.

    Args:
        file: is made, and stays: who removed it would let two processes in.
        waiting: called once if another process holds it.

    Raises:
        OSError: the file cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(file, flags, _FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _take_place(part: Path, folder: Path) -> None:
    """Rename; a folder that holds files cannot be replaced by renaming, so the old one leaves."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(folder):
        folder.rename(old)
    part.rename(folder)
    _sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _write_and_sync(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
