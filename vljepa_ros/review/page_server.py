# SPDX-License-Identifier: Apache-2.0
"""The server of the review page: its files, a small JSON interface, images and videos.

It is the standard library's: one person looks at one page. Every answer forbids the page to talk
to any other machine.
"""

from __future__ import annotations

import errno
import json
import mimetypes
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from vljepa_ros.index.store import StoreError
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.review.access import Access
from vljepa_ros.review.browser_video import BrowserVideos, media_type
from vljepa_ros.review.byte_range import UnsatisfiableRangeError, byte_range
from vljepa_ros.review.corrections import CorrectionError, EditConflictError, parse_edit
from vljepa_ros.review.reviewed_store import ReviewedStore
from vljepa_ros.review.subtitles import FORMATS

PAGE = Path(__file__).parent / "page"
_MOST_POSTED = 1 << 20  # bytes
_CHUNK = 1 << 18
_WIDEST, _NARROW = 1280, 160
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
_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (EditConflictError, HTTPStatus.CONFLICT),
    (CorrectionError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (StoreError, HTTPStatus.NOT_FOUND),
    (SourceError, HTTPStatus.NOT_FOUND),
    (FileNotFoundError, HTTPStatus.NOT_FOUND),
    (OSError, HTTPStatus.INSUFFICIENT_STORAGE),
    (ValueError, HTTPStatus.BAD_REQUEST),
)


@dataclass(frozen=True)
class Answer:
    """What is sent back: bytes, or a file."""

    body: bytes | Path
    media_type: str
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


class ReviewServer(ThreadingHTTPServer):
    """Serves one store to one or a few people."""

    daemon_threads = True

    def __init__(self, store: ReviewedStore, host: str, port: int) -> None:
        """Listen; 0 is any free port.

        Raises:
            OSError: the address cannot be listened on; the text says what to do.
        """
        self.store = store
        self.access = Access(host)
        self.videos = BrowserVideos(store.folder / "cache")
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Visit)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            advice = "choose another with --port, or --port 0 for any" if taken else "check --host"
            raise OSError(f"{host}:{port}: {error.strerror}; {advice}") from error

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        host = f"[{host}]" if ":" in host else host
        token = f"?token={self.access.token}" if self.access.token else ""
        return f"http://{host}:{self.server_address[1]}/{token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of visitors that go away in the middle of an answer."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Visit(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that an idle connection may hold a thread
    server_version = "vljepa"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
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
            self._send(_problem(refusal, HTTPStatus.FORBIDDEN))
        elif access.is_token(asked.get("token", "")):
            headers = {"Set-Cookie": access.cookie(), "Location": address.path}
            self._send(Answer(b"", "text/plain", HTTPStatus.SEE_OTHER, headers))
        else:
            self._send(_tried(lambda: find(words, asked)))

    def _get(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        match words:
            case [""]:
                return _page_file("index.html")
            case ["page", name]:
                return _page_file(name)
            case ["api", "recordings"]:
                return _json(self.server.store.recordings())
            case ["api", "recordings", recording]:
                return _json(self.server.store.described(recording))
            case ["api", "revision", recording]:
                return _json(self._revision(recording))
            case ["api", "export", name]:
                return self._export(name)
            case ["api", "search"]:
                return _json(self.server.store.found(asked.get("text", "")))
            case ["api", "doubtful"]:
                return _json(self.server.store.doubtful())
            case ["api", "frame", recording]:
                return self._frame(recording, asked)
            case ["api", "thumbnail", recording]:
                return self._thumbnail(recording, asked)
            case ["api", "video", recording]:
                return self._video_state(recording)
            case ["video", recording]:
                return self._video(recording)
        return _problem("there is no such page", HTTPStatus.NOT_FOUND)

    def _post(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        length = int(self.headers.get("Content-Length", "-1"))
        if not 0 <= length <= _MOST_POSTED:
            self.close_connection = True
            raise ValueError(f"a request holds at most {_MOST_POSTED} bytes and says how many")
        body = self.rfile.read(length)
        match words:
            case ["api", "corrections", recording]:
                return _json(self.server.store.edit(recording, parse_edit(json.loads(body))))
        return _problem("there is no such page", HTTPStatus.NOT_FOUND)

    def _revision(self, recording: str) -> dict[str, str]:
        store = self.server.store
        return {"revision": store.corrections(store.recording(recording)).revision()}

    def _export(self, name: str) -> Answer:
        recording, _, ending = name.rpartition(".")
        if ending not in FORMATS:
            return _problem(f"there are {', '.join(FORMATS)}", HTTPStatus.NOT_FOUND)
        write, kind = FORMATS[ending]
        body = write(self.server.store.shown(recording)).encode()
        shown = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        headers = {"Content-Disposition": shown}
        return Answer(body, f"{kind}; charset=utf-8", headers=headers)

    def _frame(self, recording: str, asked: Mapping[str, str]) -> Answer:
        store = self.server.store
        width = int(asked.get("width", str(_WIDEST)))
        if not 1 <= width <= _WIDEST:
            raise ValueError(f"width is at most {_WIDEST}")
        return _picture(store.jpeg(store.recording(recording), _time(asked), width))

    def _thumbnail(self, recording: str, asked: Mapping[str, str]) -> Answer:
        store, time_s = self.server.store, _time(asked)
        found = store.recording(recording)
        kept = store.thumbnail(found, asked.get("query", ""), time_s)
        return _picture(kept or store.jpeg(found, time_s, _NARROW))

    def _video_state(self, recording: str) -> Answer:
        found = self.server.store.recording(recording)
        state = self.server.videos.state(Path(found.path), found.topic, found.duration_s)
        shown = {"ready": state.file is not None, "progress": state.progress}
        return _json({**shown, "problem": state.problem})

    def _video(self, recording: str) -> Answer:
        found = self.server.store.recording(recording)
        state = self.server.videos.state(Path(found.path), found.topic, found.duration_s)
        if state.file is None:
            return _problem(state.problem or "the video is being made", HTTPStatus.NOT_FOUND)
        return Answer(state.file, media_type(state.file))

    def _send(self, answer: Answer) -> None:
        if isinstance(answer.body, Path):
            self._send_file(answer.body, answer)
            return
        self._send_head(answer, len(answer.body))
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _send_file(self, file: Path, answer: Answer) -> None:
        with file.open("rb") as stream:
            size = file.stat().st_size
            try:
                part = byte_range(self.headers.get("Range"), size)
            except UnsatisfiableRangeError as error:
                outside = {"Content-Range": f"bytes */{size}"}
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                self._send(_problem(str(error), status, outside))
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

    def _send_head(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        headers = {**_HEADERS, "Content-Type": answer.media_type, **answer.headers}
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _tried(find: Callable[[], Answer]) -> Answer:
    """Return an answer, or what went wrong in words."""
    try:
        return find()
    except Exception as error:
        known = (status for kind, status in _STATUS if isinstance(error, kind))
        status = next(known, HTTPStatus.INTERNAL_SERVER_ERROR)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            traceback.print_exc()
        return _problem(_sentence(error), status)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the disk'}: {error.strerror}"
    return str(error) or type(error).__name__


def _problem(text: str, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        json.dumps({"problem": text}).encode(), "application/json", status, headers or {}
    )


def _picture(jpeg: bytes) -> Answer:
    headers = {"Cache-Control": "private, max-age=600"}
    return Answer(jpeg, "image/jpeg", headers=headers)


def _time(asked: Mapping[str, str]) -> float:
    time_s = float(asked.get("t", "0"))
    if not 0 <= time_s < 1e9:
        raise ValueError("t is seconds from the first image")
    return time_s


def _json(content: object) -> Answer:
    return Answer(json.dumps(content, ensure_ascii=False).encode(), "application/json")


def _page_file(name: str) -> Answer:
    if name not in {path.name for path in PAGE.iterdir()}:
        return _problem("there is no such page", HTTPStatus.NOT_FOUND)
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
    return Answer((PAGE / name).read_bytes(), f"{kind or 'text/plain'}; charset=utf-8")
