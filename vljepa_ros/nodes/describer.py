# SPDX-License-Identifier: Apache-2.0
"""The describer node: embeddings in, one message in words per change of state out.

Here is the life of the node, its services and its report; :mod:`.camera_describer` does the work,
for each camera alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpHandle

from vljepa_msgs.msg import ModelInfo, StateDescription
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.camera_describer import CameraDescriber, DescriberModel
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.diagnostics import Health, Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.common.worker import Worker, WorkerStoppedError
from vljepa_ros.nodes.parameter_tables import DESCRIBER, DETECTOR
from vljepa_ros.nodes.phrase_service import Bank, PhraseService
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import choose_signal
from vljepa_ros.stream.change import ChangeConfig
from vljepa_ros.stream.state_events import NothingToDescribeError, StateEvent


class Describer(ManagedNode):
    """Parameters are in :data:`.parameter_tables.DESCRIBER`."""

    def __init__(self, **options: Any) -> None:
        """Offer the services; everything else waits for configure."""
        super().__init__("describer", DESCRIBER, **options)
        self._model: DescriberModel | None = None  # from load to cleanup
        self._worker: Worker[StateEvent] | None = None  # from configure to cleanup
        self._cameras: dict[str, CameraDescriber] = {}  # from configure to cleanup
        self._queries: Any = None  # Subscription, from activate to deactivate
        self._jumps: JumpHandle | None = None  # from activate to deactivate
        # An answer that waits for the worker must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(Describe, "~/describe", self._on_describe, callback_group=group)
        self._phrase_service = PhraseService(self, self._bank)

    def load(self) -> None:
        """Load what finds the words."""
        bundle = Bundle.load(self.parameters["bundle"] or default_bundle_path())
        phrases = PhraseBank.from_bundle(bundle)
        self._model = DescriberModel(
            bundle=bundle,
            decoder=choose_decoder(self.parameters["decoder"], bundle, phrases),
            signal=choose_signal(self.parameters["compare"], phrases),
        )

    def do_configure(self) -> None:
        """Start the worker and offer the topics."""
        config, names, model = self._change_config({}), self._camera_names({}), self._model
        assert model is not None, "load made it"
        self._worker = worker = Worker(
            self._publish, on_error=self._on_decoder_error, wake=self.wake
        )
        for name in names:
            self._cameras[name] = CameraDescriber(self, name, model, worker, config)

    def do_activate(self) -> None:
        """Subscribe to the embeddings."""
        for camera in self._cameras.values():
            camera.start()
        self._queries = self.create_subscription(
            ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1)
        )
        self._jumps = on_clock_jump(self, self._on_clock_jump)

    def do_deactivate(self) -> None:
        """Unsubscribe, publish what has ended with that, and forget the states."""
        if self._jumps is not None:
            self._jumps.unregister()
        if self._queries is not None:
            self.destroy_subscription(self._queries)
        for camera in self._cameras.values():
            camera.stop()
        if self._worker is not None:
            if not self._worker.drain():
                self.tally.warn("segments lost", "the decoder is busy: the last segments are lost")
            self._worker.clear()
        self._queries = self._jumps = None

    def do_cleanup(self) -> None:
        """Stop the worker and let the decoder go, with the phrases that were added."""
        self.close()
        self._worker = self._model = None
        cameras, self._cameras = self._cameras, {}
        for camera in cameras.values():
            camera.close()

    def close(self) -> None:
        """Stop the worker at the end of the process."""
        if self._worker is not None:
            self._worker.stop()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new rules for what is a change; configure reads the others."""
        self._camera_names(changed)
        config = self._change_config(changed)
        for camera in self._cameras.values():
            camera.set_config(config)

    def health(self) -> Health:
        """Report rates, states and counts."""
        cameras = self._cameras.values()
        described = sum(camera.states.total for camera in cameras)
        values: dict[str, object] = {
            "descriptions_hz": sum(camera.states.read() for camera in cameras),
            "descriptions": described,
            "segments": sum(camera.segments.total for camera in cameras),
            "space_id": self._require_configured()[0].bundle.space_id,
            "decoder": self.parameters["decoder"],
        }
        for camera in cameras:
            values.update(camera.values())
        values.update(self.tally.values())
        silent = list(filter(None, [camera.silence() for camera in cameras]))
        if silent:
            level = Level.STALE if len(silent) == len(cameras) else Level.WARN
            return Health(level, "; ".join(silent), values)
        return Health(Level.OK, f"{described} descriptions", values)

    def _on_model_info(self, info: ModelInfo) -> None:
        """Follow the queries of the embedder; in the executor."""
        model, _ = self._require_configured()
        if model.can_describe(self.tally, info.space_id):
            for camera in self._cameras.values():
                camera.set_queries(info)

    def _on_clock_jump(self) -> None:
        for camera in self._cameras.values():
            camera.end_streams()

    async def _on_describe(
        self, request: Describe.Request, response: Describe.Response
    ) -> Describe.Response:
        try:
            _, worker = self._require_configured()
            event = self._camera(request.camera).force(request.query)
            response.state = await worker.call(partial(self._publish, event))
        except (LookupError, RuntimeError, ValueError) as error:
            self.tally.count("service requests refused")
            response.message = str(error)
            return response
        response.success = True
        return response

    def _publish(self, event: StateEvent) -> StateDescription | None:
        """Put an event into words and publish them; in the worker."""
        if not self._is_listening:
            raise WorkerStoppedError("the node is not active any more")
        return self._cameras[event.camera].publish(event)

    def _on_decoder_error(self, error: Exception) -> None:
        """Count a state that could not be described; in the worker."""
        if self.context.ok():  # else the process ends, and nothing can be published any more
            self.tally.warn("descriptions failed", f"{type(error).__name__}: {error}")

    @property
    def _is_listening(self) -> bool:
        return self._queries is not None

    def _camera(self, name: str) -> CameraDescriber:
        """Return a camera by its name; an empty name stands for the only one.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        cameras = self._cameras
        if not self._is_listening:
            raise NothingToDescribeError("the node is not active")
        if not name and len(cameras) == 1:
            (name,) = cameras
        if name not in cameras:
            known = ", ".join(filter(None, cameras)) or "a single one, which has no name"
            raise NothingToDescribeError(f"no camera {name!r}; there is {known}")
        return cameras[name]

    def _bank(self) -> Bank:
        """Return what phrases are added to.

        Raises:
            RefusedError: there is nothing; the message says why.
        """
        if self._model is None or self._worker is None:
            raise RefusedError("the node is not configured")
        if not isinstance(self._model.decoder, PhraseBank):
            raise RefusedError(
                f"the decoder is {self.parameters['decoder']!r}, which needs no phrases; they are "
                "for the decoder 'phrases'"
            )
        return Bank(self._model.decoder, self._model.bundle.space_id)

    def _camera_names(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the cameras, as they are or as they are about to be."""
        return camera_names(changed.get("cameras", self.parameters["cameras"]))

    def _change_config(self, changed: Mapping[str, Any]) -> ChangeConfig:
        """Return when a change counts, as it is or as it is about to be."""
        names = [spec.name for spec in DETECTOR]
        return ChangeConfig(**{n: changed.get(n, self.parameters[n]) for n in names})

    def _require_configured(self) -> tuple[DescriberModel, Worker[StateEvent]]:
        if self._model is None or self._worker is None:
            raise RuntimeError("the node is not configured")
        return self._model, self._worker


def main() -> int:
    """Run the node."""
    return run(Describer)


if __name__ == "__main__":
    sys.exit(main())
