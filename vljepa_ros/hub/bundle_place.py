# SPDX-License-Identifier: Apache-2.0
"""Where the files of a published bundle come from: a file, a web server, or the hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from vljepa_ros.hub.bundle_archive import SUFFIX, BundleArchive
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.runtime.bundle_files import FileEntry

_REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w.-]+))?")


class BundlePlace(Protocol):
    """Gives the files of one bundle."""

    def read(self, name: str, limit: int) -> bytes:
        """Return a file of at most ``limit`` bytes, or raise FetchError."""

    def save(self, name: str, entry: FileEntry, to: Path) -> None:
        """Write a file that has to have the size of ``entry``, or raise FetchError."""


def bundle_place(what: str, downloads: Path, names: Iterable[str]) -> BundlePlace:
    """Return the place that a user named. A file on this disk needs no further package.

    Args:
        what: path or URL of an archive, URL of a folder, or ``owner/name[@revision]``.
        downloads: folder in which downloads grow, on the disk of the bundle.
        names: what else the user could have meant.

    Raises:
        FetchError: it is none of these, or an archive does not come.
    """
    if "://" not in what and Path(what).is_file():
        return BundleArchive(Path(what))
    on_hub, address = _REPOSITORY.fullmatch(what), urlsplit(what)
    on_web = address.scheme in ("http", "https") and bool(address.hostname)
    if not on_web and not on_hub:
        raise FetchError(
            f"{what!r} is no file, no address and none of {', '.join(names)}; a bundle on the "
            "hub is written OWNER/NAME"
        )
    from vljepa_ros.hub.remote_bundle import RemoteBundle, download_archive

    if on_web and address.path.endswith(SUFFIX):
        return BundleArchive(download_archive(what, downloads))
    if on_hub:
        return RemoteBundle(on_hub["repo"], on_hub["revision"], downloads)
    return RemoteBundle(what, None, downloads)


def usual_name(what: str) -> str:
    """Return the name of a folder for what a user named."""
    last = urlsplit(what).path.rstrip("/").rpartition("/")[2].partition("@")[0]
    return last.removesuffix(SUFFIX) or "bundle"
