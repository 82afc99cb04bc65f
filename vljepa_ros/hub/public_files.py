# SPDX-License-Identifier: Apache-2.0
"""The files of an entry of the catalogue, downloaded and compared with every hash that is known.

``sources.json`` keeps where each file came from and what it was compared with. If the catalogue
knows no revision, the next fetch takes that of this record: the files stay the same until somebody
removes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from vljepa_ros.files import new_file
from vljepa_ros.hub.catalogue import CatalogueFile, PublicModel, PublicPart
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.servers import (
    OfflineError,
    RemoteFile,
    download,
    hub_file,
    missing_bytes,
    web_file,
)
from vljepa_ros.runtime.bundle_files import describe

RECORD = "sources.json"
_NEWEST = "main"


@dataclass(frozen=True)
class SourceRecord:
    """Where a file came from.

    Attributes:
        source: the repository or address.
        revision: commit of the repository; None if it is no repository.
        sha256: of what came.
        compared_with: who said that this is the right SHA-256, or git hash; nobody, if empty.
    """

    source: str
    revision: str | None
    sha256: str
    compared_with: tuple[str, ...]


@dataclass(frozen=True)
class _Wanted:
    """A file, its place, and what the server says of it; None if there is no network."""

    part: PublicPart
    file: CatalogueFile
    place: Path
    revision: str | None
    remote: RemoteFile | None

    @property
    def name(self) -> str:
        return f"{self.part.source.rstrip('/')}/{self.file.name}"


class PublicFiles:
    """The files of one entry, in a folder with a folder for each part."""

    def __init__(self, model: PublicModel, folder: Path) -> None:
        """Ask the servers for all files; nothing is downloaded yet.

        Raises:
            FetchError: a server refuses, or announces another content than the catalogue.
        """
        self._folder = folder
        self._record = _read_record(folder / RECORD)
        self._wanted = [each for part in model.parts for each in self._ask(part)]
        for wanted in self._wanted:
            _check_announced(wanted)

    @property
    def bytes_to_come(self) -> int:
        """How many bytes have to be downloaded."""
        return sum(
            missing_bytes(wanted.remote, self._folder)
            for wanted in self._wanted
            if wanted.remote is not None and _present(wanted) is None
        )

    def fetch(self) -> dict[str, SourceRecord]:
        """Return the record of each file, by part and name, when all are there and compared.

        Raises:
            FetchError: a file does not come, or is not what it should be.
            OSError: the disk is full.
        """
        records = {}
        for wanted in self._wanted:
            key = f"{wanted.part.name}/{wanted.file.name}"
            records[key] = self._fetch(wanted, self._record.get(key))
            # At once, so that a fetch that goes on stays at this revision.
            _write_record(self._folder / RECORD, {**self._record, **records})
        return records

    def _ask(self, part: PublicPart) -> Iterator[_Wanted]:
        first = f"{part.name}/{part.files[0].name}"
        before = self._record.get(first)
        revision = part.revision or (before.revision if before else None)
        for file in part.files:
            place = self._folder / part.name / file.name
            try:
                remote = _ask_server(part, file, revision)
                revision = remote.revision  # so that all files of a part are of one commit
                yield _Wanted(part, file, place, revision, remote)
            except OfflineError:
                wanted = _Wanted(part, file, place, revision, None)
                if _present(wanted) is None:
                    raise
                yield wanted

    def _fetch(self, wanted: _Wanted, before: SourceRecord | None) -> SourceRecord:
        wanted.place.parent.mkdir(parents=True, exist_ok=True)
        present = _present(wanted)
        if present is None:
            assert wanted.remote is not None, "it was asked for"
            present = download(wanted.remote, wanted.name, self._folder)
        try:
            record = _compared(wanted, present, before)
        except FetchError:
            if present.parent == self._folder or present == wanted.place:
                present.unlink()  # it is ours, and the next try begins anew
            raise
        _put(present, wanted.place, self._folder)
        return record


def _ask_server(part: PublicPart, file: CatalogueFile, revision: str | None) -> RemoteFile:
    if part.repo is not None:
        return hub_file(part.repo, file.name, revision or _NEWEST)
    return web_file(f"{part.url}{file.name}")


def _check_announced(wanted: _Wanted) -> None:
    announced = wanted.remote.sha256 if wanted.remote else None
    known = wanted.file.sha256
    if announced and known and announced != known:
        raise FetchError(
            f"{wanted.name} has changed: the hub announces sha256 {announced[:16]}..., the "
            f"catalogue knows {known[:16]}... Nothing was downloaded"
        )


def _present(wanted: _Wanted) -> Path | None:
    """Return the path of a file that is here already, or in the hub's cache."""
    if wanted.place.is_file():
        return wanted.place
    if wanted.part.repo is None:
        return None
    revision = wanted.revision or _NEWEST
    cached = try_to_load_from_cache(wanted.part.repo, wanted.file.name, revision=revision)
    return Path(cached) if isinstance(cached, str) else None


def _compared(wanted: _Wanted, path: Path, before: SourceRecord | None) -> SourceRecord:
    """Compare a file with all that is known of it."""
    found = describe(path).sha256
    compared = []
    for who, expected, actual in _hashes(wanted, path, found, before):
        if expected != actual:
            raise FetchError(
                f"{wanted.name} is not what it should be: {who} says {expected[:16]}..., what "
                f"came is {actual[:16]}... ({path}). Fetch it again; if that stays so, it was "
                "changed on its way"
            )
        compared.append(who)
    return SourceRecord(wanted.part.source, wanted.revision, found, tuple(compared))


def _hashes(
    wanted: _Wanted, path: Path, found: str, before: SourceRecord | None
) -> Iterator[tuple[str, str, str]]:
    """Yield who says what hash, and what the file has."""
    remote = wanted.remote
    if wanted.file.sha256:
        yield "the catalogue", wanted.file.sha256, found
    if remote and remote.sha256:
        yield "the hub", remote.sha256, found
    if remote and remote.git_blob:
        yield "the hub", remote.git_blob, _git_blob(path)
    if before and before.revision == wanted.revision:
        yield "the earlier fetch", before.sha256, found


def _git_blob(path: Path) -> str:
    """Return the name that git gives to a content; files that have one on the hub are small."""
    content = path.read_bytes()
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def _put(present: Path, place: Path, folder: Path) -> None:
    if present == place:
        return
    if present.parent == folder:
        present.rename(place)
        return
    place.unlink(missing_ok=True)  # a link into a cache that somebody emptied
    place.symlink_to(present.absolute())


def _read_record(path: Path) -> dict[str, SourceRecord]:
    if not path.is_file():
        return {}
    try:
        values: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: SourceRecord(**value) for key, value in values.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise FetchError(f"{path} is damaged ({error}): remove it, and fetch again") from error


def _write_record(path: Path, records: Mapping[str, SourceRecord]) -> None:
    values = {key: asdict(record) for key, record in records.items()}
    with new_file(path) as stream:
        stream.write((json.dumps(values, indent=1) + "\n").encode())
