# SPDX-License-Identifier: Apache-2.0
"""Asks the embedder for the embeddings of texts: the describer has no text encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType
from rclpy.task import Future

from vljepa_msgs.srv import EmbedText
from vljepa_ros.nodes.common.conversions import to_vector
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.stream.clean_text import clean_text

DEADLINE_S = 10.0  # for one text; the embedder may have frames before it


class TextClient:
    """A client of ``embedder/embed_text``, for callbacks that await."""

    def __init__(self, node: ManagedNode) -> None:
        """Create the client."""
        self._node = node
        self._embedder = node.create_client(EmbedText, "embedder/embed_text")

    async def embed(self, text: str, space_id: str) -> NDArray[np.float32]:
        """Return the embedding (dimension) of a text.

        Raises:
            RefusedError: there is none in this space; the message says why.
        """
        if not self._embedder.service_is_ready():
            raise RefusedError(
                f"{self._service} is not there: phrases are embedded by the embedder, so it has "
                "to run, in the same namespace"
            )
        answer = await self._answer(EmbedText.Request(text=text))
        if not answer.success:
            reason = clean_text(answer.message)
            raise RefusedError(f"the embedder refuses {text!r}: {reason}")
        if answer.space_id != space_id:
            raise RefusedError(
                f"the embedder's space is {clean_text(answer.space_id, limit=64)!r}, the phrases' "
                f"is {space_id!r}: both nodes need the same bundle"
            )
        return to_vector(answer.data)

    async def _answer(self, request: EmbedText.Request) -> Any:
        """Return the embedder's response.

        Raises:
            RefusedError: it does not come in time.
        """
        future = self._embedder.call_async(request)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self._node.create_timer(DEADLINE_S, lambda: self._give_up(future), clock=steady)
        try:
            return await future
        finally:
            self._node.destroy_timer(timer)

    def _give_up(self, future: Future) -> None:
        if not future.done():
            message = f"{self._service} has not answered for {DEADLINE_S:g} s"
            future.set_exception(RefusedError(message))

    @property
    def _service(self) -> str:
        return str(self._node.resolve_service_name("embedder/embed_text"))
