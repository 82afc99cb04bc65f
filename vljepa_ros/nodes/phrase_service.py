# SPDX-License-Identifier: Apache-2.0
"""The describer's service that adds phrases: the embedder embeds them, the phrase bank takes them.

The describer itself has no text encoder. Texts are not trusted: they are cleaned and bounded, and
the response says what is wrong with them; none raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.task import Future

from vljepa_msgs.srv import AddPhrases, EmbedText
from vljepa_ros.nodes.common.conversions import to_vector
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.queries import MAX_NAME, MAX_TEXT
from vljepa_ros.stream.clean_text import clean_text

MAX_PHRASES = 64
DEADLINE_S = 10.0  # for one text; the embedder may have frames before it


class Bank(NamedTuple):
    """A phrase bank, and the space of its embeddings."""

    phrases: PhraseBank
    space_id: str


class PhraseService:
    """Serves ``~/add_phrases`` of a node, with the help of ``embedder/embed_text``."""

    def __init__(self, node: ManagedNode, bank: Callable[[], Bank]) -> None:
        """Create the service; ``bank`` raises RefusedError if there is none."""
        self._node = node
        self._bank = bank
        self._embedder = node.create_client(EmbedText, "embedder/embed_text")
        # An answer that waits for the embedder must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(AddPhrases, "~/add_phrases", self._add, callback_group=group)

    async def _add(
        self, request: AddPhrases.Request, response: AddPhrases.Response
    ) -> AddPhrases.Response:
        try:
            bank = self._bank()
            query = _checked(request.query, "query", MAX_NAME)
            if not 0 < len(request.texts) <= MAX_PHRASES:
                raise RefusedError(f"{len(request.texts)} phrases; 1 to {MAX_PHRASES} are taken")
            texts = [_checked(text, "phrase", MAX_TEXT) for text in request.texts]
            embeddings = {text: await self._embedded(text, bank.space_id) for text in texts}
            if self._bank().phrases is not bank.phrases:
                raise RefusedError("the node was cleaned up meanwhile")
            bank.phrases.add(query, embeddings)
        except ValueError as error:
            self._node.tally.count("service requests refused")
            response.message = str(error)
            return response
        response.success = True
        return response

    async def _embedded(self, text: str, space_id: str) -> NDArray[np.float32]:
        """Return the embedding (dimension) of a text, by the embedder.

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
            raise RefusedError(f"the embedder refuses {text!r}: {answer.message}")
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


def _checked(text: str, what: str, limit: int) -> str:
    clean = clean_text(text, limit=limit + 1)
    if not clean:
        raise RefusedError(f"a {what} is empty")
    if len(clean) > limit:
        raise RefusedError(f"the {what} {clean[:16]!r}... is longer than {limit} characters")
    return clean
