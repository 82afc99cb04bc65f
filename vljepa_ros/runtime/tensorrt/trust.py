# SPDX-License-Identifier: Apache-2.0
"""Refuses engines that somebody else could have written.

Reading an engine runs what is in it, and a checksum beside it proves nothing: who can write one
can write the other. So engines are taken from folders alone that only this user and root may
write, which no link leads out of, and that are not below a folder that everybody may write, such
as /tmp.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vljepa_ros.runtime.tensorrt.tensorrt_errors import (
    BUILD,
    BUILD_AGAIN,
    UntrustedPlan,
    UnusablePlan,
)

_ELSEWHERE = (
    "keep engines in a folder of your own (VLJEPA_ENGINES), or allow untrusted ones explicitly"
)
_BUILD_AGAIN = f"find out who changed it, remove it, and {BUILD_AGAIN}"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Trust:
    """Whom engines are taken from: this user and root, or ``anyone``."""

    anyone: bool = False

    def check_root(self, root: Path) -> None:
        """Check the folder of all engines, which may be a link, and the folders above it.

        Raises:
            UntrustedPlan: others may write it, or everybody may write a folder above it.
        """
        if self.anyone:
            return
        for above in (*root.absolute().parents, *root.resolve().parents):
            if above.stat().st_mode & stat.S_IWOTH:
                cause = f"lies in {above}, a folder that everybody may write"
                raise UntrustedPlan(root, cause, _ELSEWHERE)
        self._check(root, root.stat())

    def check_folder(self, folder: Path) -> None:
        """Check a folder below the root.

        Raises:
            UntrustedPlan: it is a link or no folder, or others may write it.
        """
        if self.anyone:
            return
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise UntrustedPlan(folder, "is a link or no folder", _BUILD_AGAIN)
        self._check(folder, found)

    @contextmanager
    def opened(self, file: Path) -> Iterator[BinaryIO]:
        """Open a file for reading; what is checked is what was opened.

        Raises:
            UntrustedPlan: it is a link, or others may write it.
            UnusablePlan: it is missing, no regular file, or cannot be read.
        """
        with os.fdopen(self._open(file), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UnusablePlan(file, "is not a regular file", _BUILD_AGAIN)
            if not self.anyone:
                self._check(file, found)
            yield stream

    def _open(self, file: Path) -> int:
        # a pipe must not hold up the node, so nothing that is opened here waits
        flags = os.O_RDONLY | os.O_NONBLOCK | (0 if self.anyone else os.O_NOFOLLOW)
        try:
            return os.open(file, flags)
        except FileNotFoundError as error:
            raise UnusablePlan(file, "the file is missing", BUILD) from error
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UntrustedPlan(file, "is a link", _BUILD_AGAIN) from error
            cause = f"cannot be read ({error.strerror})"
            raise UnusablePlan(file, cause, "check its permissions") from error

    def _check(self, path: Path, found: os.stat_result) -> None:
        if found.st_uid not in (os.geteuid(), 0):
            cause = f"belongs to another user (uid {found.st_uid})"
            raise UntrustedPlan(path, cause, _BUILD_AGAIN)
        if found.st_mode & _OTHERS_WRITE:
            cause = f"may be written by others (mode {stat.S_IMODE(found.st_mode):o})"
            raise UntrustedPlan(path, cause, _BUILD_AGAIN)
