# SPDX-License-Identifier: Apache-2.0
"""What a server says of a file, and the file itself, through huggingface_hub.

That library knows proxies, ``HF_ENDPOINT``, tokens, ``HF_HUB_OFFLINE``, and how often a server
wants to be asked again. Its own download begins at the first byte after Ctrl-C, so the bytes are
kept here: under the server's ETag, so that a file that changed is never the end of another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from huggingface_hub import constants, get_hf_file_metadata, get_session, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from vljepa_ros.hub.fetch_error import FetchError

# httpx in some releases, httpx2 in others: whichever the library's own error is made of.
_TRANSPORT_ERROR = next(
    kind for kind in reversed(HfHubHTTPError.__mro__) if kind.__module__.startswith("httpx")
)
_SHA256, _GIT = 64, 40  # characters of a hash
_UNPACKED = {"Accept-Encoding": "identity"}  # so that the announced size is that of the file
_KEPT = "what is downloaded already stays"


class OfflineError(FetchError):
    """There is no network, or it must not be used."""


@dataclass(frozen=True)
class RemoteFile:
    """What a server says of a file.

    Attributes:
        url: where its bytes are.
        headers: to send with a request for them.
        bytes: its size; None if the server does not say it.
        etag: changes with the content; "" if the server has none.
        revision: commit of the repository; None if the file is not on a hub.
    """

    url: str
    headers: Mapping[str, str]
    bytes: int | None
    etag: str
    revision: str | None

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the content, if the hub says it."""
        return self._announced(_SHA256)

    @property
    def git_blob(self) -> str | None:
        """The hash under which git knows the content, if the hub says it."""
        return self._announced(_GIT)

    def _announced(self, length: int) -> str | None:
        """Return the ETag if it is a hash of this length; on other servers it is anything."""
        is_hash = len(self.etag) == length and set(self.etag) <= set("0123456789abcdef")
        return self.etag if is_hash and self.revision is not None else None


def hub_file(repo: str, name: str, revision: str | None) -> RemoteFile:
    """Ask the hub for a file of a repository.

    Raises:
        OfflineError: there is no network.
        FetchError: the hub refuses.
    """
    url = hf_hub_url(repo, name, revision=revision, endpoint=constants.ENDPOINT)
    with _explained(f"{repo}/{name}", f"{constants.ENDPOINT}/{repo}"):
        found = get_hf_file_metadata(url)
        if found.commit_hash is None:
            raise FetchError(f"{constants.ENDPOINT} is no hub: check HF_ENDPOINT and proxies")
        # The bytes often lie on another server, which must not see the token.
        same = urlsplit(found.location).netloc == urlsplit(url).netloc
        headers = build_hf_headers() if same else build_hf_headers(token=False)
        return RemoteFile(found.location, headers, found.size, found.etag or "", found.commit_hash)


def web_file(url: str) -> RemoteFile:
    """Ask a web server for a file.

    Raises:
        OfflineError: there is no network.
        FetchError: the server refuses.
    """
    with _explained(url, url):
        answer = get_session().request("HEAD", url, headers=_UNPACKED, follow_redirects=True)
        hf_raise_for_status(answer)
        size = answer.headers.get("Content-Length", "")
        etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
        return RemoteFile(url, {}, int(size) if size.isdecimal() else None, etag, None)


def read_small(remote: RemoteFile, name: str, limit: int) -> bytes:
    """Return the content of a file of at most ``limit`` bytes.

    Raises:
        FetchError: it is larger, or the server refuses.
    """
    headers, content = {**remote.headers, **_UNPACKED}, b""
    with (
        _explained(name, remote.url),
        get_session().stream("GET", remote.url, headers=headers, follow_redirects=True) as answer,
    ):
        hf_raise_for_status(answer)
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > limit:
                raise FetchError(f"{name} has more than {limit} bytes, so it is not read")
    return content


def download(remote: RemoteFile, name: str, folder: Path, limit: int | None = None) -> Path:
    """Return the path of the downloaded file, which the caller compares and moves.

    What an earlier call brought of the same content is not downloaded again.

    Args:
        remote: the file.
        name: what people call it.
        folder: where it grows; on the disk where it is wanted.
        limit: bytes, at most; None if the server's word is taken for it.

    Raises:
        OfflineError: there is no network.
        FetchError: the server refuses, or sends more than it may.
        OSError: the disk is full.
    """
    expected = remote.bytes if limit is None else limit
    part = _part(remote, folder)
    with _explained(name, remote.url), _bounded(part, expected, name) as (stream, have):
        try:
            http_get(
                remote.url,
                stream,
                resume_size=have,
                headers=dict(remote.headers),
                expected_size=expected,
                displayed_filename=name,
            )
        except OSError as error:
            if error.errno is not None or isinstance(error, HfHubHTTPError):
                raise
            cause = f"the server ended it before all {expected} bytes came"  # and no fault of ours
            raise FetchError(f"{name}: {cause}; try again, {_KEPT}") from error
    return part


def missing_bytes(remote: RemoteFile, folder: Path) -> int:
    """Return how many bytes of a file are still to come."""
    part = _part(remote, folder)
    have = part.stat().st_size if part.is_file() else 0
    return max(0, (remote.bytes or 0) - have)


def _part(remote: RemoteFile, folder: Path) -> Path:
    address = remote.url.partition("?")[0]  # signed addresses differ every time
    key = hashlib.sha256(f"{remote.etag or address} {remote.bytes}".encode()).hexdigest()
    return folder / f"{key[:16]}.incomplete"


class _Bounded:
    """A file that takes no more bytes than were announced."""

    def __init__(self, stream: BinaryIO, limit: int | None, name: str) -> None:
        self._stream, self._limit, self._name = stream, limit, name

    def write(self, data: bytes) -> int:
        if self._limit is not None and self._stream.tell() + len(data) > self._limit:
            raise FetchError(f"{self._name} is longer than the {self._limit} bytes announced")
        return self._stream.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def _bounded(part: Path, limit: int | None, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file at its end, to be written up to ``limit`` bytes."""
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    with part.open("r+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(f"another process downloads {name}: wait for it") from error
        have = stream.seek(0, os.SEEK_END)
        if limit is not None and have > limit:
            have = stream.truncate(0)
            stream.seek(0)
        yield _Bounded(stream, limit, name), have  # type: ignore[misc]


@contextmanager
def _explained(name: str, page: str) -> Iterator[None]:
    """Say what a refusal of a server means, and what to do about it."""
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise OfflineError(
            f"{name} is not here, and HF_HUB_OFFLINE forbids to fetch it"
        ) from error
    except GatedRepoError as error:
        raise FetchError(
            f"{name} is gated: open {page}, accept the terms, then log in with `hf auth login` "
            "or set HF_TOKEN"
        ) from error
    except RepositoryNotFoundError as error:
        raise FetchError(
            f"{name}: there is no such repository, or it is private: check the name and "
            "HF_ENDPOINT, and log in with `hf auth login` or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise FetchError(f"{name}: the repository has no such revision any more") from error
    except EntryNotFoundError as error:
        raise FetchError(
            f"{name} is not there: the repository or the address has changed"
        ) from error
    except HfHubHTTPError as error:
        raise FetchError(f"{name}: {_refusal(error.response.status_code)}") from error
    except _TRANSPORT_ERROR as error:
        cause = str(error) or type(error).__name__
        raise OfflineError(
            f"{name} cannot be reached ({cause}): check network and proxies"
        ) from error


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"the server answers {status}: log in with `hf auth login`, or set HF_TOKEN"
    if status == 404:
        return "the server answers 404: there is no such file"
    if status == 429:
        return f"too many requests (429): wait some minutes, or log in; {_KEPT}"
    if status == 416:
        return "the server has another file than before (416): try again"
    return f"the server answers {status}: try again later; {_KEPT}"
