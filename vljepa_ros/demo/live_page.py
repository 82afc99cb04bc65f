# SPDX-License-Identifier: Apache-2.0
"""The live view of a run, opened in the browser of whoever started it."""

from __future__ import annotations

import socket
import threading
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vljepa_ros.demo.processes import NodeProcess

_START_S = 60.0
_AGAIN_S = 0.2


@contextmanager
def live_view(namespace: str, logs: Path, wanted: bool) -> Iterator[None]:
    """Serve the live view for the length of a block, if it is wanted.

    Args:
        namespace: of the nodes.
        logs: folder for what the node prints.
        wanted: whether somebody has a screen.
    """
    if not wanted:
        yield
        return
    port = _free_port()
    with NodeProcess("live_view", namespace, {"port": port}, logs) as process:
        threading.Thread(target=_open, args=(port, process), daemon=True).start()
        yield


def _open(port: int, process: NodeProcess) -> None:
    """Open the page once the node serves it."""
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s and not process.ended():
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(_AGAIN_S)
            continue
        address = f"http://127.0.0.1:{port}/"
        print(f"live view: {address}", flush=True)
        webbrowser.open(address)
        return


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
