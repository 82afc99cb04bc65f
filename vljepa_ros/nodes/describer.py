# SPDX-License-Identifier: Apache-2.0
"""The describer node: embeddings in, one message in words per change of state out.

Here is the life of the node, its services, its parameters and its report.
:mod:`.camera_describer` finds the changes of each camera, :mod:`.state_worker` has them described.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType, JumpHandle

from vljepa_msgs.msg import ModelInfo
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes import standing_states
from vljepa_ros.nodes.camera_describer import DescriberModel, StateRules
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.complaints import UNANSWERED
from vljepa_ros.nodes.common.diagnostics import Health, Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.describer_complaints import DescriberComplaints
from vljepa_ros.nodes.example_services import ExampleServices
from vljepa_ros.nodes.parameter_tables import DESCRIBER, DETECTOR
from vljepa_ros.nodes.phrase_services import PhraseServices
from vljepa_ros.nodes.query_phrases import QueryPhrases
from vljepa_ros.nodes.state_worker import StateWorker
from vljepa_ros.nodes.text_client import TextClient
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.decoder import PHRASES
from vljepa_ros.runtime.example_answers import ExampleAnswers
from vljepa_ros.runtime.examples import Examples
from vljepa_ros.runtime.examples_file import read_examples
from vljepa_ros.runtime.none_of_these import answers_or_none
from vljepa_ros.runtime.phrases import NoPhrasesError, PhraseBank
from vljepa_ros.runtime.queries import QueryError
from vljepa_ros.runtime.signals import ANSWERS, Signal, choose_signal
from vljepa_ros.stream.change import ChangeConfig
from vljepa_ros.stream.clean_text import clean_text
from vljepa_ros.stream.doubt import DoubtConfig

_CHECK_S = 0.1  # between two looks for silence: what it may be told late


class Describer(ManagedNode):
    """Parameters are in :data:`.parameter_tables.DESCRIBER`."""

    def __init__(self, **options: Any) -> None:
        """Create the services; everything else waits for configure."""
        super().__init__("describer", DESCRIBER, **options)
        self._model: DescriberModel | None = None  # from load to cleanup
        self._worker: StateWorker | None = None  # from configure to cleanup
        self._phrases: QueryPhrases | None = None  # from configure to cleanup, if it uses a bank
        self._complaints = DescriberComplaints(self.tally)
        self._queries: Any = None  # Subscription, from activate to deactivate
        self._jumps: JumpHandle | None = None  # from activate to deactivate
        self._clockwork: list[Any] = []  # Timers, from activate to deactivate
        # An answer that waits for the worker must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(Describe, "~/describe", self._on_describe, callback_group=group)
        self._embedder = TextClient(self)
        self._phrase_services = PhraseServices(self, self._require_phrases)
        self._example_services = ExampleServices(self, lambda: self._worker)

    def load(self) -> None:
        """Load what finds the words."""
        bundle = Bundle.load(self.parameters["bundle"] or default_bundle_path())
        phrases = PhraseBank.from_bundle(bundle, self.parameters["answer_from"])
        file, space_id = self.parameters["examples_file"], bundle.space_id
        examples = read_examples(Path(file), space_id) if file else Examples(space_id)
        decoder = choose_decoder(self.parameters["decoder"], bundle, phrases)
        signal = self._choose_signal(phrases)
        score = Calibration.from_bundle(bundle, self.parameters["decoder"]).score
        self._model = DescriberModel(
            bundle=bundle,
            decoder=decoder,
            answers=ExampleAnswers(decoder, signal, score, phrases, examples),
            min_similarity=self._min_similarity,
        )

    def do_configure(self) -> None:
        """Start the worker and create the publishers."""
        assert self._model is not None, "load made it"
        self._worker = worker = StateWorker(
            self, self._model, self._cameras({}), self._state_rules({})
        )
        bank, space_id = self._model.decoder, self._model.bundle.space_id
        if isinstance(bank, PhraseBank):
            self._phrases = QueryPhrases(self, bank, space_id, self._embedder, worker.end_states)

    def do_activate(self) -> None:
        """Subscribe to the embeddings, and begin to look for silence."""
        self._require_worker().start()
        self._queries = self.create_subscription(
            ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1)
        )
        self._jumps = on_clock_jump(self, self._on_clock_jump)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # only wakes; silence is in node's time
        self._clockwork = [
            self.create_timer(_CHECK_S, self._end_silent_streams, clock=steady),
            self.create_timer(standing_states.PERIOD_S, self._publish_states, clock=steady),
        ]

    def do_deactivate(self) -> None:
        """Unsubscribe, publish what has ended with that, and forget the states."""
        for timer in self._clockwork:
            self.destroy_timer(timer)
        self._clockwork = []
        if self._jumps is not None:
            self._jumps.unregister()
        if self._queries is not None:
            self.destroy_subscription(self._queries)
        self._queries = self._jumps = None
        if self._worker is not None:
            self._worker.stop()

    def do_cleanup(self) -> None:
        """Stop the worker and let the decoder go, with the phrases that were added."""
        worker, self._worker = self._worker, None
        phrases, self._phrases = self._phrases, None
        self._model = None
        if phrases is not None:
            phrases.close()
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """Stop the worker at the end of the process."""
        if self._worker is not None:
            self._worker.stop_thread()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new rules for when a state changes and ends; configure reads the others."""
        self._cameras(changed)
        rules = self._state_rules(changed)
        if self._worker is not None:
            for camera in self._worker.cameras.values():
                camera.set_rules(rules)

    def health(self) -> Health:
        """Report rates, states and counts."""
        worker = self._require_worker()
        cameras = worker.cameras.values()
        described, unanswered = sum(camera.states.total for camera in cameras), self._unanswered
        values: dict[str, object] = {
            "descriptions_hz": sum(camera.states.read() for camera in cameras),
            "descriptions": described,
            "segments": sum(camera.segments.total for camera in cameras),
            "space_id": worker.model.bundle.space_id,
            "decoder": self.parameters["decoder"],
        }
        for camera in cameras:
            values.update(camera.values())
        values.update(self.tally.values())
        found = list(filter(None, [self._complaints.of(*one) for one in worker.cameras.items()]))
        if unanswered:
            found.append(UNANSWERED.told(clean_text(", ".join(unanswered))))
        if found:
            silent = all(camera.silence() for camera in cameras)
            return Health(Level.STALE if silent else Level.WARN, "; ".join(found), values)
        return Health(Level.OK, f"{described} descriptions", values)

    def _on_model_info(self, info: ModelInfo) -> None:
        """Follow the queries of the embedder; in the executor."""
        worker = self._require_worker()
        if worker.model.can_describe(self.tally, info.space_id):
            for camera in worker.cameras.values():
                camera.set_queries(info)
            self._follow_phrases(info)

    def _follow_phrases(self, info: ModelInfo) -> None:
        if self._phrases is None:
            return
        try:
            self._phrases.follow({query.name: query.phrases for query in info.queries})
        except QueryError as error:
            self.tally.warn("phrases refused", f"phrases of the queries refused: {error}")

    def _end_silent_streams(self) -> None:
        for camera in self._require_worker().cameras.values():
            camera.end_silent_streams()

    def _publish_states(self) -> None:
        for camera in self._require_worker().cameras.values():
            camera.standing.publish()

    def _on_clock_jump(self) -> None:
        for camera in self._require_worker().cameras.values():
            camera.end_streams()

    @property
    def _unanswered(self) -> list[str]:
        """The queries that are asked and have neither phrases nor examples."""
        if self._phrases is None or self._model is None:
            return []
        answers = self._model.answers.answers
        return [query for query in self._phrases.unanswered if not answers(query)]

    async def _on_describe(
        self, request: Describe.Request, response: Describe.Response
    ) -> Describe.Response:
        try:
            worker = self._require_worker()
            if request.query in self._unanswered:
                raise NoPhrasesError(request.query)
            response.state = await worker.describe(request.camera, request.query)
        except (LookupError, RuntimeError, ValueError) as error:
            self.tally.count("service requests refused")
            response.message = str(error)
            return response
        response.success = True
        return response

    def _require_phrases(self) -> QueryPhrases:
        """Return what phrases are added to.

        Raises:
            RefusedError: there is nothing; the message says why.
        """
        if self._worker is None:
            raise RefusedError("the node is not configured")
        if self._phrases is None:
            raise RefusedError(
                f"the decoder is {self.parameters['decoder']!r}, which needs no phrases; they are "
                "for the decoder 'phrases'"
            )
        return self._phrases

    def _choose_signal(self, phrases: PhraseBank) -> Signal:
        """Return what is compared; "none of these" is an answer only among phrases."""
        if (self.parameters["decoder"], self.parameters["compare"]) == (PHRASES, ANSWERS):
            return answers_or_none(phrases, self._min_similarity)
        return choose_signal(self.parameters["compare"], phrases)

    def _min_similarity(self) -> float:
        """Return the cosine below which the nearest phrase is not told; in any thread."""
        return float(self.parameters["min_similarity"])

    def _cameras(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the cameras, as they are or as they are about to be."""
        return camera_names(changed.get("cameras", self.parameters["cameras"]))

    def _state_rules(self, changed: Mapping[str, Any]) -> StateRules:
        """Return when a state begins and ends, as it is or as it is about to be."""

        def value(name: str) -> Any:
            return changed.get(name, self.parameters[name])

        return StateRules(
            change=ChangeConfig(**{spec.name: value(spec.name) for spec in DETECTOR}),
            doubt=DoubtConfig(
                threshold=value("unfamiliar_threshold"),
                after_s=value("unfamiliar_after_s"),
                back_after_s=value("familiar_after_s"),
                when=value("when_unfamiliar"),
            ),
            silence_s=value("silence_s"),
        )

    def _require_worker(self) -> StateWorker:
        if self._worker is None:
            raise RuntimeError("the node is not configured")
        return self._worker


def main() -> int:
    """Run the node."""
    return run(Describer)


if __name__ == "__main__":
    sys.exit(main())
