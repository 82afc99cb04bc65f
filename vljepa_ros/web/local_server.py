# SPDX-License-Identifier: Apache-2.0
"""A server of one page for one or a few people: its files, and what the page asks for.

It is the standard library's. Every answer forbids the page to talk to any other machine, and
:mod:`vljepa_ros.web.access` decides who is answered at all.
"""

from __future__ import annotations

import errno
import json
import mimetypes
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from vljepa_ros.web.access import Access
from vljepa_ros.web.byte_range import UnsatisfiableRangeError, byte_range

SHARED_PARTS = Path(__file__).parent / "page"
_MOST_POSTED = 1 << 20  # bytes
_MOST_CONNECTIONS = 64  # a browser opens six for a page
_CHUNK = 1 << 18
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        body: bytes; a file, of which parts may be asked for; or pieces as they come, until there
            are no more or the visitor goes.
    """

    body: bytes | Path | Generator[bytes]
    media_type: str
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class LocalServer(ThreadingHTTPServer):
    """Serves a page.

    Attributes:
        access: decides who is answered.
        files: of the page by name, with the parts that pages share.
    """

    daemon_threads = True
    request_queue_size = _MOST_CONNECTIONS

    def __init__(
        self,
        visit: type[Visit],
        page: Path,
        host: str,
        port: int,
        options: tuple[str, str] = ("--host", "--port"),
    ) -> None:
        """Listen; 0 is any port that is free.

        Args:
            visit: answers requests.
            page: folder of the page.
            host: address to listen on.
            port: of it.
            options: what the user calls host and port.

        Raises:
            OSError: the address cannot be listened on; the text says what to do.
        """
        self.host = host
        self.files = page_files(page)
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), visit)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            advice = f"choose another {options[1]}, 0 for any" if taken else f"check {options[0]}"
            raise OSError(f"{host}:{port}: {error.strerror}; {advice}") from error
        self.access = Access(host, f"vljepa_{self.server_address[1]}")

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        token = f"?token={self.access.token}" if self.access.token else ""
        return f"http://{host}:{self.server_address[1]}/{token}"

    def server_bind(self) -> None:
        """Bind without asking the network for the host's full name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; hang up if too many are answered already."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of visitors that go away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class Visit(BaseHTTPRequestHandler):
    """Answers the requests of one connection; a page's own one fills in :meth:`get` and the like.

    Attributes:
        statuses: what is answered to errors, by their type; to others "internal server error".
    """

    server: Any
    statuses: ClassVar[tuple[tuple[type[Exception], HTTPStatus], ...]] = (
        (ValueError, HTTPStatus.BAD_REQUEST),
    )
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that an idle connection may hold a thread
    server_version = "vljepa"
    sys_version = ""

    def get(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        """Answer what is no file of the page.

        Args:
            words: of the address.
            asked: what stands behind its question mark.
        """
        return NOT_THERE

    def post(self, words: list[str], content: Any) -> Answer:
        """Answer what the page sends as JSON."""
        return NOT_THERE

    def do_GET(self) -> None:
        """Answer a GET or a HEAD."""
        self._answer(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal quiet."""

    def _answer(self, find: Callable[[list[str], Mapping[str, str]], Answer]) -> None:
        try:
            address = urlsplit(self.path)
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        asked = {key: values[-1] for key, values in parse_qs(address.query).items()}
        words = [unquote(word) for word in address.path.strip("/").split("/")]
        access = self.server.access
        refusal = access.refusal(self.command, dict(self.headers.items()), asked.get("token", ""))
        if refusal:
            self.close_connection = True  # what was posted stays unread
            self._send(problem(refusal, HTTPStatus.FORBIDDEN))
        elif access.is_token(asked.get("token", "")):
            headers = {"Set-Cookie": access.cookie(), "Location": address.path}
            self._send(Answer(b"", "text/plain", HTTPStatus.SEE_OTHER, headers))
        else:
            self._send(self._tried(lambda: find(words, asked)))

    def _tried(self, find: Callable[[], Answer]) -> Answer:
        """Return an answer, or what went wrong in words."""
        try:
            return find()
        except Exception as error:
            known = (status for kind, status in self.statuses if isinstance(error, kind))
            status = next(known, HTTPStatus.INTERNAL_SERVER_ERROR)
            if status is HTTPStatus.INTERNAL_SERVER_ERROR:
                traceback.print_exc()
            return problem(_sentence(error), status)

    def _get(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        match words:
            case [""]:
                return self._file("index.html")
            case ["page", name]:
                return self._file(name)
        return self.get(words, asked)

    def _file(self, name: str) -> Answer:
        if name not in self.server.files:
            return NOT_THERE
        kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        body = self.server.files[name].read_bytes()
        return Answer(body, f"{kind or 'text/plain'}; charset=utf-8")

    def _post(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        length = int(self.headers.get("Content-Length", "-1"))
        if not 0 <= length <= _MOST_POSTED:
            self.close_connection = True
            raise ValueError(f"a request holds at most {_MOST_POSTED} bytes and says how many")
        try:
            content = json.loads(self.rfile.read(length))
        except RecursionError:
            raise ValueError("the request is nested too deep") from None
        return self.post(words, content)

    def _send(self, answer: Answer) -> None:
        if isinstance(answer.body, Path):
            self._send_file(answer.body, answer)
        elif isinstance(answer.body, bytes):
            self._send_head(answer, len(answer.body))
            if self.command != "HEAD":
                self.wfile.write(answer.body)
        else:
            self.close_connection = True  # its end is the end of the answer
            self._send_head(answer, None)
            with closing(answer.body) as pieces:
                for piece in pieces if self.command != "HEAD" else ():
                    self.wfile.write(piece)

    def _send_file(self, file: Path, answer: Answer) -> None:
        with file.open("rb") as stream:
            size = file.stat().st_size
            try:
                part = byte_range(self.headers.get("Range"), size)
            except UnsatisfiableRangeError as error:
                outside = {"Content-Range": f"bytes */{size}"}
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                self._send(problem(str(error), status, outside))
                return
            begin, end = part or (0, size)
            headers = {**answer.headers, "Accept-Ranges": "bytes"}
            if part:
                headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
            status = HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK
            self._send_head(Answer(b"", answer.media_type, status, headers), end - begin)
            stream.seek(begin)
            while self.command != "HEAD" and begin < end:
                chunk = stream.read(min(_CHUNK, end - begin))
                if not chunk:  # it became shorter: the browser asks again
                    self.close_connection = True
                    break
                self.wfile.write(chunk)
                begin += len(chunk)

    def _send_head(self, answer: Answer, length: int | None) -> None:
        self.send_response(answer.status)
        headers = {**_HEADERS, "Content-Type": answer.media_type, **answer.headers}
        if length is not None:
            headers["Content-Length"] = str(length)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def page_files(page: Path) -> dict[str, Path]:
    """Return the files of a page by name; its own take the place of shared parts."""
    return {file.name: file for folder in (SHARED_PARTS, page) for file in folder.iterdir()}


def problem(text: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that says what is wrong."""
    body = json.dumps({"problem": text}).encode()
    return Answer(body, "application/json", status, headers or {})


def as_json(content: object) -> Answer:
    """Return an answer for the page's scripts."""
    return Answer(json.dumps(content, ensure_ascii=False).encode(), "application/json")


NOT_THERE = problem("there is no such page", HTTPStatus.NOT_FOUND)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the disk'}: {error.strerror}"
    return str(error) or type(error).__name__
