# SPDX-License-Identifier: Apache-2.0
"""Files compared with what a manifest says about them: their size and their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

RIGHTS = "check its permissions"
COPY_AGAIN = "copy or export the bundle again"
EXPORT_AGAIN = "export the bundle again"
_PIECE = 1 << 20  # bytes


class BundleError(RuntimeError):
    """A bundle cannot be used. The message names the file, the cause and the remedy."""

    def __init__(self, file: Path, cause: str, remedy: str) -> None:
        """Keep the three parts of the message as attributes."""
        super().__init__(f"{file}: {cause}; {remedy}")
        self.file = file
        self.cause = cause
        self.remedy = remedy


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says about one file."""

    sha256: str
    bytes: int


def describe(file: Path) -> FileEntry:
    """Return what a manifest has to say about a file, which is read a piece at a time.

    Raises:
        BundleError: it cannot be read.
    """
    with _opened(file) as stream:
        return _measure(stream, file.stat().st_size)


def verify(file: Path, entry: FileEntry) -> None:
    """Compare a file with its entry, a piece at a time.

    Raises:
        BundleError: the file is missing, not a file, or not what the entry says.
    """
    with _opened(file) as stream:
        found = _measure(stream, entry.bytes)
    _compare(file, found, entry)


def read(file: Path, entry: FileEntry) -> bytes:
    """Return the content of a file, exactly the bytes that were compared with its entry.

    Raises:
        BundleError: the file is missing, not a file, or not what the entry says.
    """
    with _opened(file) as stream:
        data = stream.read(entry.bytes + 1)  # a wrong file costs no more memory than this
    _compare(file, FileEntry(hashlib.sha256(data).hexdigest(), len(data)), entry)
    return data


def read_at_most(file: Path, limit: int) -> bytes:
    """Return the content of a file that nothing says the size of.

    Raises:
        BundleError: the file is missing, not a file, or larger than ``limit`` bytes.
    """
    with _opened(file) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise BundleError(file, f"has more than {limit} bytes", COPY_AGAIN)
    return data


def _measure(stream: BinaryIO, limit: int) -> FileEntry:
    """Measure a stream up to the first piece that is beyond ``limit`` bytes."""
    digest, size = hashlib.sha256(), 0
    while size <= limit and (piece := stream.read(_PIECE)):
        digest.update(piece)
        size += len(piece)
    return FileEntry(digest.hexdigest(), size)


def _compare(file: Path, found: FileEntry, entry: FileEntry) -> None:
    if found.bytes != entry.bytes:
        size = "more" if found.bytes > entry.bytes else str(found.bytes)
        cause = f"{size} bytes, but the manifest says {entry.bytes}"
        raise BundleError(file, cause, COPY_AGAIN)
    if found.sha256 != entry.sha256:
        cause = f"sha256 is {found.sha256[:12]}..., but the manifest says {entry.sha256[:12]}..."
        raise BundleError(file, cause, COPY_AGAIN)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if not file.exists():
        raise BundleError(file, "the file is missing", COPY_AGAIN)
    if not file.is_file():
        raise BundleError(file, "is not a regular file", COPY_AGAIN)
    try:
        with file.open("rb") as stream:
            yield stream
    except OSError as error:
        raise BundleError(file, f"cannot be read ({error.strerror})", RIGHTS) from error
