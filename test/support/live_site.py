# SPDX-License-Identifier: Apache-2.0
"""The real nodes on simulated time, shown by a live view, and what a test sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.colour_bundle import scene_frame
from support.film import START, Film
from support.ros import Bench
from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.embedder import Embedder
from vljepa_ros.nodes.live_view import LiveView
from vljepa_ros.web.local_server import LocalServer


class LiveSite:
    """Embedder, describer and live view of one or several cameras.

    Attributes:
        view: the live view.
        films: what each camera shows, by its name.
    """

    def __init__(
        self,
        ros: Bench,
        bundle: str,
        cameras: tuple[str, ...] = ("",),
        picture: Callable[[str], NDArray[np.uint8]] = scene_frame,
        **parameters: Any,
    ) -> None:
        """Start the nodes; the films begin when the test rolls them."""
        self._ros = ros
        common = {"use_sim_time": True, "cameras": [*cameras]}
        models = {**common, "bundle": bundle}
        topic = {name: f"{name}/" if name else "" for name in cameras}
        inboxes = {n: ros.inbox(Embedding, f"embedder/{topic[n]}embedding") for n in cameras}
        self.view = ros.add(LiveView, port=0, **common, **parameters)
        self.embedder = ros.add(Embedder, queries=["colour", "brightness"], **models)
        self.describer = ros.add(Describer, min_gap_s=0.5, **models)
        for node in (self.view, self.embedder, self.describer):
            ros.wait(lambda n=node: n.phase is Phase.ACTIVE, f"{node.get_name()} is active")
        self.films = {
            name: Film(
                ros.camera(f"{topic[name]}image_raw").wait_matched(),
                inboxes[name],
                picture=picture,
            )
            for name in cameras
        }
        self.set_clock(START)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return self.server.address

    @property
    def server(self) -> LocalServer:
        """The live view's server."""
        assert self.view.server is not None
        return self.view.server

    def show(self, colour: str, frames: int = 15, camera: str = "") -> None:
        """Show a colour to a camera, and let the time go on."""
        film = self.films[camera]
        if film.next_ns == START:
            film.roll(colour)
        film.show(colour, frames)
        self.set_clock(max(one.next_ns for one in self.films.values()))

    def set_clock(self, time_ns: int) -> None:
        """Set the time of all nodes."""
        for node in (self.embedder, self.describer, self.view):
            self._ros.set_clock(node, time_ns)


@contextmanager
def updates(server: LocalServer, camera: str = "") -> Iterator[Iterator[dict[str, Any]]]:
    """Follow what a page is told, for the length of a block."""
    connection = HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    connection.request("GET", f"/api/updates?camera={camera}", headers={"Host": "localhost"})
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    lines = iter(answer.readline, b"")
    try:
        yield (json.loads(one.removeprefix(b"data: ")) for one in lines if one.startswith(b"data"))
    finally:
        answer.close()
        connection.close()
