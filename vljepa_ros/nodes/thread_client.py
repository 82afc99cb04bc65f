# SPDX-License-Identifier: Apache-2.0
"""Calls services from threads that are not the executor's, and waits there."""

from __future__ import annotations

import threading
from typing import Any

from rclpy.task import Future

from vljepa_ros.live.live_server import NotNowError
from vljepa_ros.nodes.common.lifecycle import ManagedNode

DEADLINE_S = 10.0  # the embedder may have frames before a text


class ThreadClient:
    """A client of one service; requests are sent by the executor, so that no answer is missed."""

    def __init__(self, node: ManagedNode, kind: Any, service: str) -> None:
        """Create the client; in the executor."""
        self._node = node
        self._client = node.create_client(kind, service)
        self._service = node.resolve_service_name(service)

    def call(self, request: Any) -> Any:
        """Return the response; in any thread but the executor's.

        Raises:
            NotNowError: There is none in time.
        """
        executor = self._node.executor
        if executor is None or not self._client.service_is_ready():
            raise NotNowError(f"{self._service} is not there: start its node")
        answered = threading.Event()
        pending: list[Future] = []

        def send() -> None:
            pending.append(self._client.call_async(request))
            pending[0].add_done_callback(lambda _: answered.set())

        executor.create_task(send)
        if not answered.wait(DEADLINE_S):
            executor.create_task(lambda: [self._client.remove_pending_request(p) for p in pending])
            raise NotNowError(f"{self._service} has not answered for {DEADLINE_S:g} s")
        return pending[0].result()

    def close(self) -> None:
        """Destroy the client; in the executor."""
        self._node.destroy_client(self._client)
