# SPDX-License-Identifier: Apache-2.0
"""A hub on loopback that speaks as the real one does to huggingface_hub, and fails as asked.

Small files have git's hash as ETag, after a relative redirect. Large ones are announced with size
and SHA-256, and their bytes come from another host, which must not see the token. That host knows
ranges. Everything else is an ordinary web server: ``/web/NAME``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

LARGE = 2000
"""Bytes from which on a file is a large one."""

_RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class LoopbackHub:
    """What it has, what goes wrong, and what it was asked.

    Attributes:
        endpoint: its address.
        repos: content by name, by repository.
        web: content by name, of the ordinary web server.
        gated: repositories that need the token "secret".
        refusals: status codes, by a part of the path; each is answered once.
        broken_after: bytes after which the connection ends, by a part of the path; once.
        announced: SHA-256 that is announced instead of the true one, by file name.
        slow: parts of paths whose content stops half-way, until the client goes.
        sending: set when such a half was sent.
        asked: method, path and headers of each request.
    """

    endpoint: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    web: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    refusals: dict[str, list[int]] = field(default_factory=dict)
    broken_after: dict[str, int] = field(default_factory=dict)
    announced: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    sending: Event = field(default_factory=Event)
    asked: list[tuple[str, str, Message]] = field(default_factory=list)

    def commit(self, repo: str) -> str:
        """Return the revision of a repository, which changes with its content."""
        content = repr(sorted(self.repos[repo].items())).encode()
        return hashlib.sha1(content).hexdigest()

    def bytes_asked(self, name: str) -> list[str | None]:
        """Return the ranges of all requests for the bytes of a file."""
        return [
            headers["Range"]
            for method, path, headers in self.asked
            if method == "GET" and path.endswith(name)
        ]


@contextmanager
def loopback_hub() -> Iterator[LoopbackHub]:
    """Run a hub for the length of a block."""
    hub = LoopbackHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_endpoint(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Do what HF_ENDPOINT does for a process that begins, for this one."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        self.hub.asked.append((self.command, self.path, self.headers))
        path = self.path.partition("?")[0]
        for part, statuses in self.hub.refusals.items():
            if part in path and statuses:
                self._send(statuses.pop(0), b"no")
                return
        if path.startswith("/web/"):
            self._web(path.removeprefix("/web/"))
        elif path.startswith("/cdn/"):
            self._bytes(self._by_hash(path.split("/")[2]))
        elif match := _RESOLVE.fullmatch(path.removeprefix("/api/resolve-cache")):
            self._resolve(*match.groups(), cached=path.startswith("/api/"))
        else:
            self._send(404, b"")

    def _web(self, name: str) -> None:
        content = self.hub.web.get(name)
        if content is None:
            self._send(404, b"")
        else:
            self._bytes(content)

    def _resolve(self, repo: str, revision: str, name: str, *, cached: bool) -> None:
        if refusal := self._refusal(repo, revision, name):
            status, code = refusal
            self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})
            return
        content = self.hub.repos[repo][name]
        head = {"X-Repo-Commit": self.hub.commit(repo)}
        if len(content) >= LARGE:
            sha256 = hashlib.sha256(content).hexdigest()
            announced = self.hub.announced.get(name, sha256)
            head |= {"X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{announced}"'}
            other_host = self.hub.endpoint.replace("127.0.0.1", "localhost")
            self._send(302, b"", {**head, "Location": f"{other_host}/cdn/{sha256}/{name}"})
        elif not cached:
            self._send(307, b"", {**head, "Location": f"/api/resolve-cache{self.path}"})
        else:
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            self._bytes(content, {**head, "ETag": f'"{self.hub.announced.get(name, git)}"'})

    def _refusal(self, repo: str, revision: str, name: str) -> tuple[int, str] | None:
        if repo not in self.hub.repos:
            return 401, "RepoNotFound"  # as the real one, which does not tell what is private
        if repo in self.hub.gated and self.headers["Authorization"] != "Bearer secret":
            return 403, "GatedRepo"
        if revision not in ("main", self.hub.commit(repo)):
            return 404, "RevisionNotFound"
        return None if name in self.hub.repos[repo] else (404, "EntryNotFound")

    def _by_hash(self, wanted: str) -> bytes:
        files = (each for repo in self.hub.repos.values() for each in repo.values())
        return next(each for each in files if hashlib.sha256(each).hexdigest() == wanted)

    def _bytes(self, content: bytes, head: dict[str, str] | None = None) -> None:
        """Send content, or the part of it that was asked for."""
        head = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', **(head or {})}
        start = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if start is None:
            self._send(200, content, head)
            return
        first = int(start[1])
        where = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(206, content[first:], {**head, "Content-Range": where})

    def _send(self, status: int, content: bytes, head: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (head or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        for part in [part for part in self.hub.broken_after if part in self.path]:
            content = content[: self.hub.broken_after.pop(part)]
            self.close_connection = True
        if any(part in self.path for part in self.hub.slow):
            self.wfile.write(content[: len(content) // 2])
            self.hub.sending.set()
            self.rfile.read(1)  # nothing comes before the client goes
            self.close_connection = True
            return
        self.wfile.write(content)
