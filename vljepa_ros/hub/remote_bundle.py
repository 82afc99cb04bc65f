# SPDX-License-Identifier: Apache-2.0
"""A bundle whose files lie in a repository of the hub or in a folder of a web server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

from vljepa_ros.hub.disk_space import check_space
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.servers import (
    RemoteFile,
    download,
    hub_file,
    missing_bytes,
    read_small,
    web_file,
)
from vljepa_ros.runtime.bundle_files import FileEntry


class RemoteBundle:
    """Files of one bundle, fetched one by one."""

    def __init__(self, place: str, revision: str | None, downloads: Path) -> None:
        """Take the place of the files; nothing is asked yet.

        Args:
            place: ``owner/name``, or the address of a folder.
            revision: of a repository; None for its newest.
            downloads: folder in which they grow, on the disk of the bundle. Whoever removes it
                loses what has come, and nothing else.
        """
        self._place, self._revision, self._downloads = place, revision, downloads

    def read(self, name: str, limit: int) -> bytes:
        """Return a file of at most ``limit`` bytes.

        Raises:
            FetchError: it is not there, or larger.
        """
        return read_small(self._ask(name), name, limit)

    def save(self, name: str, entry: FileEntry, to: Path) -> None:
        """Write a file that has to have the size of ``entry``.

        Raises:
            FetchError: it does not come, or has another size.
        """
        remote = self._ask(name)
        if remote.bytes not in (None, entry.bytes):
            raise FetchError(f"{name} has {remote.bytes} bytes, but {entry.bytes} were announced")
        whole = download(remote, name, self._downloads, entry.bytes)
        try:
            os.link(whole, to)  # and it stays, should another file not come
        except OSError:  # a disk without links
            shutil.copyfile(whole, to)

    def _ask(self, name: str) -> RemoteFile:
        if "://" in self._place:
            return web_file(f"{self._place.rstrip('/')}/{quote(name)}")
        remote = hub_file(self._place, name, self._revision)
        self._revision = remote.revision  # so that all files are of one commit
        return remote


def download_archive(url: str, downloads: Path) -> Path:
    """Return the path of a downloaded archive.

    Raises:
        FetchError: it does not come, or the disk has too little room for it.
        OSError: the disk is full.
    """
    remote = web_file(url)
    if remote.bytes is None:
        raise FetchError(f"{url}: the server does not say how large it is")
    check_space([(downloads, missing_bytes(remote, downloads))])
    return download(remote, url.rpartition("/")[2], downloads, remote.bytes)
