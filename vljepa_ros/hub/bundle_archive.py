# SPDX-License-Identifier: Apache-2.0
"""A bundle as one file: a tar without compression, because weights do not become smaller."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vljepa_ros.files import new_file
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.runtime.bundle_files import FileEntry

SUFFIX = ".tar"


def write_archive(members: Iterable[tuple[str, Path]], archive: Path) -> None:
    """Write files into an archive, always the same bytes for the same files.

    Args:
        members: name in the archive, with "/", and the file.
        archive: the new file.

    Raises:
        OSError: it cannot be written.
    """
    with new_file(archive) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, file in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode = file.stat().st_size, 0o644
            with file.open("rb") as content:
                tar.addfile(member, content)


class BundleArchive:
    """The files of somebody else's archive; nothing is unpacked but what is asked for."""

    def __init__(self, path: Path) -> None:
        """List what is in an archive.

        Raises:
            FetchError: it is none, or holds something other than regular files, or one twice.
        """
        self._path = path
        self._members: dict[str, tarfile.TarInfo] = {}
        with self._opened() as tar:
            for member in tar:
                if not member.isreg() or member.name in self._members:
                    raise FetchError(
                        f"{path} holds {member.name!r}, which is no regular file or is there "
                        "twice: it is no archive of a bundle, so nothing was unpacked"
                    )
                self._members[member.name] = member

    def read(self, name: str, limit: int) -> bytes:
        """Return a file of at most ``limit`` bytes.

        Raises:
            FetchError: it is not there, or larger.
        """
        with self._member(name) as (content, size):
            if size > limit:
                raise FetchError(f"{name} has more than {limit} bytes, so it is not read")
            return content.read(limit)

    def save(self, name: str, entry: FileEntry, to: Path) -> None:
        """Write a file that has to have the size of ``entry``.

        Raises:
            FetchError: it is not there, or has another size.
        """
        with self._member(name) as (content, size):
            if size != entry.bytes:
                raise FetchError(f"{name} has {size} bytes, but {entry.bytes} were announced")
            with to.open("xb") as stream:
                shutil.copyfileobj(content, stream)

    @contextmanager
    def _member(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        if name not in self._members:
            raise FetchError(f"{self._path} has no {name}")
        with self._opened() as tar:
            content = tar.extractfile(self._members[name])
            assert content is not None, "it is a regular file"
            yield content, self._members[name].size

    @contextmanager
    def _opened(self) -> Iterator[tarfile.TarFile]:
        try:
            with tarfile.open(self._path, mode="r:") as tar:
                yield tar
        except tarfile.TarError as error:
            raise FetchError(f"{self._path} is damaged, or no tar file ({error})") from error
