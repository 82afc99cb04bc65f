# SPDX-License-Identifier: Apache-2.0
"""The describer's services that show examples, and list, remove and save them.

Requests are not trusted: texts are cleaned and bounded, and the response says in a sentence what
is wrong; none raises an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vljepa_msgs.srv import ListExamples, RemoveExamples, SaveExamples, ShowExamples
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.state_worker import StateWorker
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.examples import LEAST_TEXTS, MAX_TEXTS, Examples
from vljepa_ros.runtime.examples_file import write_examples
from vljepa_ros.runtime.queries import clean_name, clean_phrase


class ExampleServices:
    """Serves ``show_examples``, ``list_examples``, ``remove_examples`` and ``save_examples``."""

    def __init__(self, node: ManagedNode, worker: Callable[[], StateWorker | None]) -> None:
        """Create the services; ``worker`` returns None while the node is not configured."""
        self._node, self._worker = node, worker
        node.create_service(ShowExamples, "~/show_examples", self._answering(self._show))
        node.create_service(ListExamples, "~/list_examples", self._answering(self._list))
        node.create_service(RemoveExamples, "~/remove_examples", self._answering(self._remove))
        node.create_service(SaveExamples, "~/save_examples", self._answering(self._save))

    def _show(self, request: ShowExamples.Request, response: ShowExamples.Response) -> None:
        worker, query = self._require_worker(), clean_name(request.query)
        text = clean_phrase(query, request.text)
        camera, examples = worker.camera(request.camera), worker.model.answers.examples
        if not camera.is_asked(query):
            raise RefusedError(
                f"query {query!r} is not asked, so it needs no examples: ask it with set_queries"
            )
        features = camera.features.last(request.seconds)
        examples.check(query, text, features)
        texts = {*examples.counts.get(query, {}), text}
        if len(texts) >= LEAST_TEXTS and examples.taught(query) is None:
            worker.end_states([query])  # from now on it is answered by another kind of answers
        examples.add(query, text, features)
        response.clips = len(features)
        if examples.taught(query) is None:
            response.message = (
                f"{text!r} is the only text of query {query!r} with examples: they answer once "
                "another text has some too"
            )

    def _list(self, request: ListExamples.Request, response: ListExamples.Response) -> None:
        counts = self._require_examples().counts
        wanted = [clean_name(request.query)] if request.query else list(counts)
        for query in wanted:
            self._require_examples().check_known(query, ())
        found = [(query, text, n) for query in wanted for text, n in counts[query].items()]
        response.queries = [query for query, _, _ in found]
        response.texts = [text for _, text, _ in found]
        response.clips = [number for _, _, number in found]

    def _remove(self, request: RemoveExamples.Request, _: RemoveExamples.Response) -> None:
        worker, examples = self._require_worker(), self._require_examples()
        if len(request.texts) > MAX_TEXTS:
            raise RefusedError(f"{len(request.texts)} texts are too many; none is all of them")
        query = clean_name(request.query)
        texts = [clean_phrase(query, text) for text in request.texts]
        examples.check_known(query, texts)
        kept = set(examples.counts[query]).difference(texts) if texts else ()
        if len(kept) < LEAST_TEXTS and examples.taught(query) is not None:
            worker.end_states([query])
        examples.remove(query, texts)

    def _save(self, request: SaveExamples.Request, response: SaveExamples.Response) -> None:
        if not request.file.strip():
            raise RefusedError("file names no file")
        try:
            file = Path(request.file).expanduser()
        except RuntimeError as error:  # there is no such user
            raise RefusedError(f"{request.file!r}: {error}") from error
        response.clips = write_examples(file, self._require_examples())

    def _answering(self, serve: Callable[[Any, Any], None]) -> Callable[[Any, Any], Any]:
        def answer(request: Any, response: Any) -> Any:
            try:
                serve(request, response)
            except (LookupError, ValueError) as error:
                self._node.tally.count("service requests refused")
                response.message = str(error)
                return response
            response.success = True
            return response

        return answer

    def _require_worker(self) -> StateWorker:
        worker = self._worker()
        if worker is None:
            raise RefusedError("the node is not configured")
        return worker

    def _require_examples(self) -> Examples:
        return self._require_worker().model.answers.examples
