# SPDX-License-Identifier: Apache-2.0
"""Who takes what is published on a topic.

The embedder subscribes while its model loads. A live camera loses nothing by that, but a recording
would be over before the model is there. So a lifecycle node counts only once it is active.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.client import Client
from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo

from vljepa_ros.nodes.common.qos import UNKNOWN_NODE

_GET_STATE = "lifecycle_msgs/srv/GetState"
_DEADLINE_S = 1.0  # for an answer; whoever waits asks again


class Subscribers:
    """Counts the subscribers of a topic."""

    def __init__(self, node: Node, topic: str) -> None:
        """Count those of ``topic``, a full name, as ``node`` sees them."""
        self._node, self._topic = node, topic
        self._clients: dict[str, Client] = {}  # by name of the service

    def count_ready(self) -> int:
        """Return how many take what is published now; not for the executor's own thread."""
        found = self._node.get_subscriptions_info_by_topic(self._topic)
        return sum(self._is_ready(subscriber) for subscriber in found)

    def close(self) -> None:
        """Destroy the clients."""
        for client in self._clients.values():
            self._node.destroy_client(client)
        self._clients = {}

    def _is_ready(self, subscriber: TopicEndpointInfo) -> bool:
        if subscriber.node_name == UNKNOWN_NODE:
            return False  # its name is on its way
        services: list[tuple[str, list[str]]] = []
        with suppress(RuntimeError):  # rclpy's NodeNameNonExistentError: it has just gone
            services = self._node.get_service_names_and_types_by_node(
                subscriber.node_name, subscriber.node_namespace
            )
        # A node's services are announced before the topics that it subscribes to later.
        state = [name for name, types in services if _GET_STATE in types]
        return not state or self._is_active(state[0])

    def _is_active(self, service: str) -> bool:
        client = self._clients.get(service)
        if client is None:
            client = self._clients[service] = self._node.create_client(GetState, service)
        if not client.service_is_ready():
            return False
        answered = threading.Event()
        future = client.call_async(GetState.Request())
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(_DEADLINE_S):
            client.remove_pending_request(future)
            return False
        response = future.result()
        return response is not None and response.current_state.id == State.PRIMARY_STATE_ACTIVE
