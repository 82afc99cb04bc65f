# SPDX-License-Identifier: Apache-2.0
"""The services of the embedder that take texts: new queries, text embeddings, questions.

Texts are not trusted: they are cleaned and bounded, and the response says what is wrong with them;
none raises an exception. What needs the model runs in the worker, between the frames.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup

from vljepa_msgs.srv import Ask, EmbedText, SetQueries
from vljepa_ros.nodes.clip_worker import ClipWorker
from vljepa_ros.nodes.common.conversions import to_floats, to_stamp
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.worker import WorkerStoppedError
from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.queries import (
    MAX_TEXT,
    check_number,
    clean_name,
    clean_phrases,
    format_entry,
)
from vljepa_ros.stream.clean_text import TextTooLongError, whole_text

MAX_ANSWERS = 64


class RefusedError(ValueError):
    """A request cannot be served; the message says why to the caller."""


class TextServices:
    """Serves ``~/set_queries``, ``~/embed_text`` and ``~/ask`` of a node."""

    def __init__(
        self,
        node: ManagedNode,
        worker: Callable[[], ClipWorker | None],
        use_queries: Callable[[list[str], dict[str, tuple[str, ...]]], SetParametersResult],
    ) -> None:
        """Create the services.

        Args:
            node: the embedder.
            worker: returns None while the node is not configured.
            use_queries: takes entries as in the parameter ``queries``, and phrases by the name of
                the query that brings them; a ValueError from it refuses them.
        """
        self._node = node
        self._worker = worker
        self._use_queries = use_queries
        node.create_service(SetQueries, "~/set_queries", self._set_queries)
        # An answer that waits for the worker must not hold up images: a group of their own.
        group = MutuallyExclusiveCallbackGroup()
        node.create_service(EmbedText, "~/embed_text", self._embed_text, callback_group=group)
        node.create_service(Ask, "~/ask", self._ask, callback_group=group)

    def _set_queries(
        self, request: SetQueries.Request, response: SetQueries.Response
    ) -> SetQueries.Response:
        try:
            self._require_worker()
            check_number(request.queries)
            brought = {clean_name(q.name): q.phrases for q in request.queries if q.phrases}
            phrases = clean_phrases(brought)
            entries = [format_entry(query.name, query.text) for query in request.queries]
            result = self._use_queries(entries, phrases)
        except (ValueError, BackendError) as error:
            response.message = self._refuse(error)
            return response
        response.success = result.successful
        response.message = result.reason
        return response

    async def _embed_text(
        self, request: EmbedText.Request, response: EmbedText.Response
    ) -> EmbedText.Response:
        try:
            worker = self._require_worker()
            vector = await worker.thread.call(partial(worker.model.embed_text, request.text))
        except (ValueError, BackendError, WorkerStoppedError) as error:
            response.message = self._refuse(error)
            return response
        response.success = True
        response.space_id = worker.model.bundle.space_id
        response.data = to_floats(vector)
        return response

    async def _ask(self, request: Ask.Request, response: Ask.Response) -> Ask.Response:
        try:
            worker = self._require_worker()
            if not 0 < len(request.answers) <= MAX_ANSWERS:
                raise RefusedError(f"{len(request.answers)} answers; 1 to {MAX_ANSWERS} are asked")
            answers = [_whole(answer, "the answer") for answer in request.answers]
            question = _whole(request.question, "the question")
            asked = await worker.thread.call(
                partial(worker.ask, question, answers, request.camera)
            )
        except (ValueError, BackendError, WorkerStoppedError) as error:
            response.message = self._refuse(error)
            return response
        answer = asked.answer
        response.success = True
        response.stamp = to_stamp(answer.end_ns)
        response.unfamiliarity = asked.unfamiliarity
        response.image_fault = int(asked.image_fault)
        response.scores = to_floats(answer.scores)
        response.cosines = to_floats(answer.cosines)
        response.best = int(np.argmax(answer.scores))
        return response

    def _require_worker(self) -> ClipWorker:
        worker = self._worker()
        if worker is None:
            raise RefusedError("the node is not configured")
        return worker

    def _refuse(self, error: Exception) -> str:
        self._node.tally.count("service requests refused")
        return str(error)


def _whole(text: str, what: str) -> str:
    """Return a text cleaned, or refuse it: a question or answer that is cut is another one."""
    try:
        return whole_text(text, MAX_TEXT)
    except TextTooLongError as error:
        raise RefusedError(f"{what} {error}") from error
