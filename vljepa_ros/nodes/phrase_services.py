# SPDX-License-Identifier: Apache-2.0
"""The describer's services that add, list and remove phrases.

Texts are not trusted: they are counted, cleaned and bounded, and the response says what is wrong
with them; none raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from vljepa_msgs.srv import AddPhrases, ListPhrases, RemovePhrases
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.query_phrases import QueryPhrases
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.phrases import MAX_ADDED_PER_QUERY
from vljepa_ros.runtime.queries import clean_name, clean_phrase

MAX_PHRASES = 64  # in one request


class PhraseServices:
    """Serves ``~/add_phrases``, ``~/list_phrases`` and ``~/remove_phrases`` of a node."""

    def __init__(self, node: ManagedNode, phrases: Callable[[], QueryPhrases]) -> None:
        """Create the services; ``phrases`` raises RefusedError if there are none."""
        self._node = node
        self._phrases = phrases
        # An answer that waits for the embedder must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(AddPhrases, "~/add_phrases", self._add, callback_group=group)
        node.create_service(ListPhrases, "~/list_phrases", self._list)
        node.create_service(RemovePhrases, "~/remove_phrases", self._remove)

    async def _add(
        self, request: AddPhrases.Request, response: AddPhrases.Response
    ) -> AddPhrases.Response:
        try:
            phrases = self._phrases()
            if not 0 < len(request.texts) <= MAX_PHRASES:
                raise RefusedError(f"{len(request.texts)} phrases; 1 to {MAX_PHRASES} are taken")
            query = clean_name(request.query)
            texts = [clean_phrase(query, text) for text in request.texts]
            await phrases.add(query, texts)
        except ValueError as error:
            response.message = self._refuse(error)
            return response
        response.success = True
        return response

    def _list(
        self, request: ListPhrases.Request, response: ListPhrases.Response
    ) -> ListPhrases.Response:
        try:
            known = self._phrases().texts
            wanted = [clean_name(request.query)] if request.query else list(known)
            if unknown := [query for query in wanted if query not in known]:
                names = ", ".join(known) or "none"
                raise RefusedError(f"no phrases of query {unknown[0]!r}; there are of: {names}")
        except ValueError as error:
            response.message = self._refuse(error)
            return response
        pairs = [(query, text) for query in wanted for text in known[query]]
        response.queries = [query for query, _ in pairs]
        response.texts = [text for _, text in pairs]
        response.success = True
        return response

    def _remove(
        self, request: RemovePhrases.Request, response: RemovePhrases.Response
    ) -> RemovePhrases.Response:
        try:
            phrases = self._phrases()
            if len(request.texts) > MAX_ADDED_PER_QUERY:
                raise RefusedError(
                    f"{len(request.texts)} phrases are too many; none is all of them"
                )
            query = clean_name(request.query)
            phrases.remove(query, [clean_phrase(query, text) for text in request.texts])
        except ValueError as error:
            response.message = self._refuse(error)
            return response
        response.success = True
        return response

    def _refuse(self, error: Exception) -> str:
        self._node.tally.count("service requests refused")
        return str(error)
