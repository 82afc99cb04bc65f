# SPDX-License-Identifier: Apache-2.0
"""The phrases that the describer answers queries with: who brings them, and when they go.

The bundle has phrases for its queries. A query may bring others, which stand in ModelInfo; they
are embedded in the background, come all at once, so that a query is never answered with a part of
them, and go with the query. Phrases of a service call stay until they are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType

from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.text_client import TextClient
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.phrases import NoPhrasesError, PhraseBank
from vljepa_ros.runtime.queries import check_number, clean_name, clean_phrases
from vljepa_ros.stream.clean_text import clean_text

RETRY_S = 1.0  # until the embedder is asked again

_Phrases = Mapping[str, tuple[str, ...]]  # by query


class QueryPhrases:
    """Keeps a phrase bank in step with the queries, from its creation to :meth:`close`."""

    def __init__(
        self,
        node: ManagedNode,
        bank: PhraseBank,
        space_id: str,
        embedder: TextClient,
        end_states: Callable[[Iterable[str]], None],
    ) -> None:
        """Start with the bundle's phrases.

        Args:
            node: the describer.
            bank: holds the bundle's phrases.
            space_id: the space of their embeddings.
            embedder: embeds phrases.
            end_states: ends the states of some queries and returns when all words for what has
                ended are found, because phrases are about to go.
        """
        self._node, self._bank, self._space_id = node, bank, space_id
        self._embedder, self._end_states = embedder, end_states
        self._asked: _Phrases = {}  # as the last ModelInfo has them
        self._waiting: dict[str, tuple[str, ...]] = {}  # to be embedded
        self._brought: dict[str, set[str]] = {}  # by queries, and in the bank
        self._told: set[str] = set()  # queries without phrases that were logged
        self._is_embedding = self._is_closed = False
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(RETRY_S, self._embed_waiting, clock=steady)

    def close(self) -> None:
        """Stop embedding; nothing is added to the bank any more."""
        self._is_closed = True
        self._node.destroy_timer(self._timer)

    @property
    def texts(self) -> dict[str, tuple[str, ...]]:
        """The phrases of each query that can answer now."""
        return self._bank.texts

    @property
    def unanswered(self) -> list[str]:
        """The queries that are asked and have no phrase yet."""
        return [query for query in self._asked if not self._bank.can_answer(query)]

    def follow(self, queries: Mapping[str, Sequence[str]]) -> None:
        """Take the queries that are asked now, with the phrases that they bring.

        Raises:
            QueryError: there are too many, or a name or phrase cannot be used; nothing has
                changed.
        """
        check_number(queries)
        for query in queries:
            clean_name(query)
        asked = clean_phrases(queries)
        self._remove({q: t.difference(asked.get(q, ())) for q, t in self._brought.items()})
        known = self._bank.texts
        waiting = {
            query: tuple(text for text in texts if self._is_to_come(query, text, known))
            for query, texts in asked.items()
        }
        self._waiting = {query: texts for query, texts in waiting.items() if texts}
        self._asked = asked
        self._tell_unanswered()
        self._embed_waiting()

    async def add(self, query: str, texts: Sequence[str]) -> None:
        """Add phrases to a query, all or none; they stay when the query goes.

        Raises:
            ValueError: they cannot be embedded, or there would be too many.
        """
        self._bank.add(query, await self._embeddings(query, texts))
        self._brought.get(query, set()).difference_update(texts)

    def remove(self, query: str, texts: Sequence[str]) -> None:
        """Take phrases away from a query, all or none; no texts are all phrases of the query.

        Raises:
            ValueError: the query does not have one of them.
        """
        has = self.texts.get(query, ())
        if not has:
            raise NoPhrasesError(query)
        if unknown := set(texts).difference(has):
            raise RefusedError(
                f"query {query!r} has no phrase {min(unknown)!r}; nothing is removed"
            )
        self._remove({query: set(texts or has)})
        self._tell_unanswered()

    def _is_to_come(self, query: str, text: str, known: _Phrases) -> bool:
        """Return whether a phrase is to be embedded: one that was removed does not come again."""
        if text in self._asked.get(query, ()):
            return text in self._waiting.get(query, ())
        return text not in known.get(query, ())

    def _remove(self, gone: Mapping[str, set[str]]) -> None:
        known = self._bank.texts
        gone = {q: t.intersection(known.get(q, ())) for q, t in gone.items()}
        gone = {query: texts for query, texts in gone.items() if texts}
        if not gone:
            return
        self._end_states([query for query, texts in gone.items() if texts >= set(known[query])])
        for query, texts in gone.items():
            self._bank.remove(query, sorted(texts))
            self._brought.get(query, set()).difference_update(texts)

    def _embed_waiting(self) -> None:
        """Embed what waits, in the executor but without holding it up."""
        executor = self._node.executor
        if self._waiting and not self._is_embedding and executor is not None:
            self._is_embedding = True
            executor.create_task(self._embed_all)

    async def _embed_all(self) -> None:
        try:
            while self._waiting and not self._is_closed:
                if not await self._embed_next():
                    return
        finally:
            self._is_embedding = False

    async def _embed_next(self) -> bool:
        """Add the phrases of the query that waits longest; return False if that fails."""
        query, texts = next(iter(self._waiting.items()))
        try:
            embeddings = await self._embeddings(query, texts)
            if self._waiting.get(query) == texts:  # else the query was changed meanwhile
                new = {t: e for t, e in embeddings.items() if t not in self.texts.get(query, ())}
                self._bank.add(query, new)
                self._brought.setdefault(query, set()).update(new)
                del self._waiting[query]
        except ValueError as error:
            self._node.tally.warn("phrases not embedded", f"query {query!r}: {error}")
            if query in self._waiting:  # the others come first next time
                self._waiting[query] = self._waiting.pop(query)
            return False
        return True

    async def _embeddings(
        self, query: str, texts: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the embedding (dimension) of each phrase that is to be added to a query.

        Raises:
            ValueError: they cannot be embedded, or there would be too many.
        """
        self._bank.check_room(query, texts)
        embeddings = {text: await self._embedder.embed(text, self._space_id) for text in texts}
        if self._is_closed:
            raise RefusedError("the node was cleaned up meanwhile")
        return embeddings

    def _tell_unanswered(self) -> None:
        """Log each query that has no phrases, once."""
        silent = set(self.unanswered).difference(self._waiting)
        for query in sorted(silent - self._told):
            self._node.get_logger().warning(
                f"query {clean_text(query)!r} is not answered, because it has no phrases: write "
                "some into queries_file, call set_queries or add_phrases with them, or set "
                "answer_from to all (logged once)"
            )
        self._told = silent
