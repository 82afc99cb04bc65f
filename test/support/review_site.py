# SPDX-License-Identifier: Apache-2.0
"""A small store with one recording, and the server of the review page on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from support.recordings import picture, write_film
from support.small_store import Part, store_recording
from vljepa_ros.index.store import Store
from vljepa_ros.review.page_server import ReviewServer
from vljepa_ros.review.reviewed_store import ReviewedStore
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.web.local_server import LocalServer

SECONDS = 12
LANES: Mapping[str, Sequence[Part]] = {
    "colour": [
        Part(0.0, 3.0, "red", 0.9, 0.1),
        Part(3.0, 6.0, "green", 0.3, 0.1),
        Part(6.0, 9.0, "抽屉是开着的", 0.8, 0.999),
        Part(9.0, 12.0, "blue", 0.7, 0.1),
    ],
    "brightness": [Part(0.0, 9.0, "bright", 0.95), Part(9.0, 12.0, "", 0.0)],
}


def write_browser_video(path: Path) -> Path:
    """Write the recording: H.264, as browsers play it, ten images a second."""
    colours = [("red", "green", "black", "blue")[number // 30] for number in range(10 * SECONDS)]
    times = [100 * number for number in range(len(colours))]
    pictures = [picture(colour) for colour in colours]
    return write_film(path, pictures, times, codec="libx264", pixels="yuv420p", g="5")


def small_review(
    folder: Path, bundle: Path, lanes: Mapping[str, Sequence[Part]] = LANES
) -> ReviewedStore:
    """Write a video, a store that knows it as ``film`` with the bundle's space, and open it."""
    known = Bundle.load(bundle)
    video = write_browser_video(folder / "film.mp4")
    place = {"space_id": known.space_id, "dimension": known.dimension}
    store_recording(folder / "store", video, lanes, **place)
    return ReviewedStore(Store.open(folder / "store"), bundle)


@contextmanager
def serving(store: ReviewedStore, host: str = "127.0.0.1") -> Iterator[ReviewServer]:
    """Serve a store on a free port for the length of a block."""
    with ReviewServer(store, host, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(
    server: LocalServer, path: str, headers: Mapping[str, str] | None = None
) -> tuple[HTTPResponse, bytes]:
    """Return the answer to a request, and its body."""
    return _asked(server, "GET", path, None, headers or {})


def post(
    server: LocalServer, path: str, content: object, headers: Mapping[str, str] | None = None
) -> tuple[HTTPResponse, Any]:
    """Send JSON, and return the answer and its content."""
    kind = {"Content-Type": "application/json"}
    answer, body = _asked(
        server, "POST", path, json.dumps(content).encode(), {**kind, **(headers or {})}
    )
    return answer, json.loads(body)


def _asked(
    server: LocalServer, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    try:
        connection.request(method, path, body, {"Host": "localhost", **headers})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()
