# SPDX-License-Identifier: Apache-2.0
"""What is public and fits this architecture: ``config/public_models.yaml``, or a copy of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

from vljepa_ros.fields import FieldError, FieldReader
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.shipped import shipped

CATALOGUE = shipped("config/public_models.yaml")
"""The one that comes with the package."""


@dataclass(frozen=True)
class CatalogueFile:
    """A file of a part.

    Attributes:
        name: in its repository or beside its address, with "/".
        bytes: its size, an estimate if there is no ``sha256``; None if nobody knows it.
        sha256: of its content; None if nobody knows it.
    """

    name: str
    bytes: int | None
    sha256: str | None


@dataclass(frozen=True)
class PublicPart:
    """Files of one repository, or of one folder of a web server.

    Attributes:
        name: what the part is of a model; its folder gets this name.
        repo: owner/name on the hub; None if ``url`` leads to the files.
        url: address of the folder, with "/" at its end; None if they are on the hub.
        revision: commit of the repository; None if none is known.
        files: what is needed, and nothing more.
        tokens: numbers that a tokenizer must give to these tokens.
    """

    name: str
    repo: str | None
    url: str | None
    revision: str | None
    files: tuple[CatalogueFile, ...]
    tokens: Mapping[str, int]

    @property
    def source(self) -> str:
        """The repository or address, as people know it."""
        return self.repo or self.url or ""


@dataclass(frozen=True)
class PublicModel:
    """An entry of the catalogue.

    Attributes:
        name: what a user calls it.
        about: one line.
        quality: how good its authors say it is; "" if it is only an encoder.
        dimensions: name of its dimensions (:data:`.costs.DIMENSIONS`).
        memory_gb: what import and export take at most; None if the entry is only an encoder.
        disk_gb: what they write; None if the entry is only an encoder.
        queries: shipped file of queries and phrases; None if the entry is only an encoder.
        licences: terms, by what they are about.
        parts: what is downloaded.
    """

    name: str
    about: str
    quality: str
    dimensions: str
    memory_gb: float | None
    disk_gb: float | None
    queries: str | None
    licences: Mapping[str, str]
    parts: tuple[PublicPart, ...]

    @property
    def bytes(self) -> int | None:
        """Size of all files together; None if that of one is not known."""
        sizes = [file.bytes for part in self.parts for file in part.files]
        return None if None in sizes else sum(filter(None, sizes))


def read_catalogue(path: Path = CATALOGUE) -> dict[str, PublicModel]:
    """Return the entries by name.

    Raises:
        FetchError: the file is missing or malformed.
    """
    try:
        reader = FieldReader(yaml.safe_load(path.read_text(encoding="utf-8")))
        return {name: _model(name, reader.section(name)) for name in reader.names()}
    except (OSError, yaml.YAMLError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise FetchError(f"the catalogue {path} cannot be used: {cause}") from error


def _model(name: str, reader: FieldReader) -> PublicModel:
    parts = reader.section("parts")
    return PublicModel(
        name=name,
        about=reader.text("about"),
        quality=reader.optional("quality", reader.text, ""),
        dimensions=reader.text("dimensions"),
        memory_gb=reader.optional("memory_gb", reader.positive, None),
        disk_gb=reader.optional("disk_gb", reader.positive, None),
        queries=reader.optional("queries", reader.text, None),
        licences=reader.texts("licences"),
        parts=tuple(_part(each, parts.section(each)) for each in parts.names()),
    )


def _part(name: str, reader: FieldReader) -> PublicPart:
    if reader.gives("repo") == reader.gives("url"):
        raise FieldError(f"{reader.name('repo')}: give either a repo or a url")
    url = reader.optional("url", reader.text, None)
    files = reader.section("files")
    tokens = reader.optional("tokens", reader.section, FieldReader({}))
    return PublicPart(
        name=name,
        repo=reader.optional("repo", reader.text, None),
        url=url and url.rstrip("/") + "/",
        revision=reader.optional("revision", reader.text, None),
        files=tuple(_file(each, files.section(each)) for each in files.names()),
        tokens={each: tokens.whole(each, at_least=0) for each in tokens.names()},
    )


def _file(name: str, reader: FieldReader) -> CatalogueFile:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        raise FieldError(f"{reader.name('')}: {name!r} is no name of a file")
    return CatalogueFile(
        name,
        reader.optional("bytes", reader.whole, None),
        reader.optional("sha256", reader.sha256, None),
    )
