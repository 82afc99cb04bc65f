# SPDX-License-Identifier: Apache-2.0
"""The server of the live view. A slow page waits for itself: nothing here waits in the node."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.fields import FieldReader
from vljepa_ros.live.live_stream import Cursor, LiveStream, NoSuchCameraError
from vljepa_ros.web.local_server import NOT_THERE, Answer, LocalServer, Visit, as_json, problem

LIVE_PAGE = Path(__file__).parent / "page"
_PERIOD_S = 0.25  # between two updates of a page
_MAX_TEXT = 500  # characters


class NotNowError(RuntimeError):
    """The nodes cannot do now what the page asks for; the message says why."""


class RunningNodes(Protocol):
    """What the page wants of the running nodes. Called in threads of the server."""

    stream: LiveStream

    def now_ns(self) -> int:
        """Return the time of the node."""

    def trouble(self) -> str:
        """Say why nothing new comes; empty if all is well."""

    def image_age_s(self, camera: str) -> float | None:
        """Return how long ago the newest image came; None if none came to a page."""

    def picture(self, camera: str, after: int) -> tuple[int, bytes]:
        """Return the newest image as JPEG and its number, empty if there is none after one."""

    def embedded(self, text: str) -> tuple[NDArray[np.float32], str]:
        """Return a text's embedding (dimension) and its space; raises NotNowError."""

    def ask(self, camera: str, question: str, answers: Sequence[str]) -> Mapping[str, Any]:
        """Return how well each answer fits what a camera sees; raises NotNowError."""

    def add_phrases(self, query: str, texts: Sequence[str]) -> None:
        """Teach the describer phrases; raises NotNowError."""


class LiveServer(LocalServer):
    """Serves the live view.

    Attributes:
        nodes: what it shows.
        may_write: whether pages may change something.
        pages: how many are open.
    """

    def __init__(self, nodes: RunningNodes, host: str, port: int, may_write: bool) -> None:
        """Listen; 0 is any port that is free.

        Raises:
            OSError: the address cannot be listened on; the text says what to do.
        """
        self.nodes = nodes
        self.may_write = may_write
        self.pages = 0
        self.ending = threading.Event()
        self._counting = threading.Lock()
        super().__init__(_LiveVisit, LIVE_PAGE, host, port, ("host", "port"))
        self._thread = threading.Thread(target=self.serve_forever, name="live view", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the pages' streams, and listen no more."""
        self.ending.set()
        self.shutdown()
        self.server_close()

    def updates(self, camera: str) -> Generator[bytes]:
        """Yield what a page shows as server-sent events, until the server or the page ends."""
        self._count(+1)
        seen: Cursor | None = None
        try:
            while seen is None or not self.ending.wait(_PERIOD_S):
                content, seen = self.nodes.stream.update(camera, seen, self.nodes.now_ns())
                content |= {
                    "mayWrite": self.may_write,
                    "trouble": self.nodes.trouble(),
                    "imageAge": self.nodes.image_age_s(content["camera"]),
                }
                yield f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()
        finally:
            self._count(-1)

    def _count(self, pages: int) -> None:
        with self._counting:
            self.pages += pages


class _LiveVisit(Visit):
    """Answers the requests of one connection."""

    server: LiveServer
    statuses: ClassVar[tuple[tuple[type[Exception], HTTPStatus], ...]] = (
        (NotNowError, HTTPStatus.SERVICE_UNAVAILABLE),
        (NoSuchCameraError, HTTPStatus.NOT_FOUND),
        (ValueError, HTTPStatus.BAD_REQUEST),
    )

    def get(self, words: list[str], asked: Mapping[str, str]) -> Answer:
        """Answer what the page reads."""
        nodes = self.server.nodes
        camera = nodes.stream.camera_named(asked.get("camera", ""))
        match words:
            case ["api", "updates"]:
                return Answer(self.server.updates(camera), "text/event-stream")
            case ["api", "picture"]:
                return self._picture(camera, int(asked.get("after", "0")))
            case ["api", "search"]:
                return as_json(nodes.stream.found(*nodes.embedded(_bounded(asked.get("text")))))
        return NOT_THERE

    def post(self, words: list[str], content: Any) -> Answer:
        """Take a question, or phrases if that is allowed."""
        fields = FieldReader(content)
        match words:
            case ["api", "ask"]:
                question = _bounded(fields.text("question"))
                answers = [_bounded(one) for one in fields.text_list("answers")]
                camera = self.server.nodes.stream.camera_named(fields.string("camera"))
                return as_json(self.server.nodes.ask(camera, question, answers))
            case ["api", "phrases"] if not self.server.may_write:
                return problem("this page is read-only: see web_write", HTTPStatus.FORBIDDEN)
            case ["api", "phrases"]:
                query, texts = fields.text("query"), fields.text_list("texts")
                self.server.nodes.add_phrases(query, [_bounded(one) for one in texts])
                return as_json({})
        return NOT_THERE

    def _picture(self, camera: str, after: int) -> Answer:
        number, jpeg = self.server.nodes.picture(camera, after)
        if not jpeg:
            return Answer(b"", "image/jpeg", HTTPStatus.NO_CONTENT)
        return Answer(jpeg, "image/jpeg", headers={"X-Number": str(number)})


def _bounded(text: str | None) -> str:
    """Return a text that may be asked for; raises ValueError."""
    text = (text or "").strip()
    if not 0 < len(text) <= _MAX_TEXT:
        raise ValueError(f"a text has 1 to {_MAX_TEXT} characters")
    return text
