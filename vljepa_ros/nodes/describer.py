# SPDX-License-Identifier: Apache-2.0
"""The describer node: embeddings in, one message in words per change of state out.

Here is the life of the node, its services and its report; :mod:`.camera_stream` does the work, for
each camera alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpHandle

from vljepa_msgs.msg import ModelInfo, StateDescription
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.camera_stream import CameraStream, Task, Topics, Voice, is_comparable
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.diagnostics import Health, Level, Rate
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.common.worker import Worker, WorkerStoppedError
from vljepa_ros.nodes.parameter_tables import DESCRIBER, DETECTOR
from vljepa_ros.nodes.phrase_service import Bank, PhraseService
from vljepa_ros.nodes.text_services import RefusedError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.choose_decoder import choose_decoder
from vljepa_ros.runtime.choose_signal import Signal, choose_signal
from vljepa_ros.runtime.decoder import Decoder
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import ChangeConfig
from vljepa_ros.stream.state_watch import NothingToDescribeError


@dataclass(frozen=True)
class _Words:
    """What finds changes and the words for them."""

    bundle: Bundle
    decoder: Decoder
    signal: Signal


@dataclass(frozen=True)
class _Loaded:
    """What lives from configure to cleanup."""

    voice: Voice
    topics: Mapping[str, Topics]  # by camera


@dataclass(frozen=True)
class _Active:
    """What lives from activate to deactivate."""

    streams: Mapping[str, CameraStream]  # by camera
    info: Any  # Subscription
    jumps: JumpHandle


class Describer(ManagedNode):
    """Parameters are in :data:`.parameter_tables.DESCRIBER`."""

    def __init__(self, **options: Any) -> None:
        """Offer the services; everything else waits for configure."""
        super().__init__("describer", DESCRIBER, **options)
        self._words: _Words | None = None  # from load to cleanup
        self._loaded: _Loaded | None = None
        self._active: _Active | None = None
        self._states = Rate()
        self._segments = Rate()
        # An answer that waits for the worker must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(Describe, "~/describe", self._on_describe, callback_group=group)
        self._phrase_service = PhraseService(self, self._bank)

    def load(self) -> None:
        """Load what finds the words."""
        bundle = Bundle.load(self.parameters["bundle"] or default_bundle_path())
        phrases = PhraseBank.from_bundle(bundle)
        self._words = _Words(
            bundle=bundle,
            decoder=choose_decoder(self.parameters["decoder"], bundle, phrases),
            signal=choose_signal(self.parameters["compare"], phrases),
        )

    def do_configure(self) -> None:
        """Start the worker and offer the topics."""
        self._change_config({})
        cameras = self._cameras({})
        assert self._words is not None, "load made it"
        worker = Worker(self._tell, on_error=self._on_decoder_error, wake=self.wake)
        self._loaded = _Loaded(
            voice=Voice(
                **vars(self._words), worker=worker, states=self._states, segments=self._segments
            ),
            topics={camera: Topics.create(self, camera) for camera in cameras},
        )

    def do_activate(self) -> None:
        """Subscribe to the embeddings."""
        loaded, config = self._require_loaded(), self._change_config({})
        streams = {
            camera: CameraStream(self, camera, topics, loaded.voice, config)
            for camera, topics in loaded.topics.items()
        }
        self._active = _Active(
            streams=streams,
            info=self.create_subscription(
                ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1)
            ),
            jumps=on_clock_jump(self, self._on_clock_jump),
        )

    def do_deactivate(self) -> None:
        """Unsubscribe, publish what has ended with that, and forget the states."""
        if (active := self._active) is not None:
            self.destroy_subscription(active.info)
            active.jumps.unregister()
            for stream in active.streams.values():
                stream.close()
        if self._loaded is not None:
            worker = self._loaded.voice.worker
            if not worker.drain():
                self.tally.warn("segments lost", "the decoder is busy: the last segments are lost")
            worker.clear()
        self._active = None

    def do_cleanup(self) -> None:
        """Stop the worker and let the decoder go, with the phrases that were added."""
        loaded, self._loaded = self._loaded, None
        self._words = None
        if loaded is not None:
            loaded.voice.worker.stop()
            for topics in loaded.topics.values():
                topics.withdraw(self)

    def close(self) -> None:
        """Stop the worker at the end of the process."""
        if self._loaded is not None:
            self._loaded.voice.worker.stop()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new rules for what is a change; configure reads the others."""
        self._cameras(changed)
        config = self._change_config(changed)
        for stream in self._streams.values():
            stream.set_config(config)

    def health(self) -> Health:
        """Report rates, states and counts."""
        values: dict[str, object] = {
            "descriptions_hz": self._states.read(),
            "descriptions": self._states.total,
            "segments": self._segments.total,
            "space_id": self._require_loaded().voice.bundle.space_id,
            "decoder": self.parameters["decoder"],
        }
        silent = []
        for camera, stream in self._streams.items():
            values.update(stream.health())
            if complaint := stream.listener.complaint():
                silent.append(f"{camera}: {complaint}" if camera else complaint)
        values.update(self.tally.values())
        if silent:
            level = Level.STALE if len(silent) == len(self._streams) else Level.WARN
            return Health(level, "; ".join(silent), values)
        return Health(Level.OK, f"{self._states.total} descriptions", values)

    def _on_model_info(self, info: ModelInfo) -> None:
        """Follow the queries of the embedder; in the executor."""
        if is_comparable(self._require_loaded().voice.bundle, self.tally, info.space_id):
            for stream in self._streams.values():
                stream.follow(info)

    def _on_clock_jump(self) -> None:
        for stream in self._streams.values():
            stream.restart()

    async def _on_describe(
        self, request: Describe.Request, response: Describe.Response
    ) -> Describe.Response:
        try:
            voice = self._require_loaded().voice
            task = self._stream(request.camera).as_it_is(request.query)
            response.state = await voice.worker.call(partial(self._tell, task))
        except (LookupError, RuntimeError, ValueError) as error:
            self.tally.count("service requests refused")
            response.message = str(error)
            return response
        response.success = True
        return response

    def _tell(self, task: Task) -> StateDescription | None:
        """Put a moment into words and publish them; in the worker."""
        if self._active is None:
            raise WorkerStoppedError("the node is not active any more")
        return task.stream.tell(task.moment)

    def _on_decoder_error(self, error: Exception) -> None:
        """Count a state that could not be described; in the worker."""
        if self.context.ok():  # else the process ends, and nothing can be published any more
            self.tally.warn("descriptions failed", f"{type(error).__name__}: {error}")

    def _stream(self, camera: str) -> CameraStream:
        """Return the stream of a camera; an empty name stands for the only one.

        Raises:
            NothingToDescribeError: there is none; the message says why.
        """
        streams = self._streams
        if not streams:
            raise NothingToDescribeError("the node is not active")
        if not camera and len(streams) == 1:
            (camera,) = streams
        if camera not in streams:
            known = ", ".join(filter(None, streams)) or "a single one, which has no name"
            raise NothingToDescribeError(f"no camera {camera!r}; there is {known}")
        return streams[camera]

    @property
    def _streams(self) -> Mapping[str, CameraStream]:
        """What is described now, by camera; empty while the node is not active."""
        return {} if self._active is None else self._active.streams

    def _bank(self) -> Bank:
        """Return what phrases are added to.

        Raises:
            RefusedError: there is nothing; the message says why.
        """
        if self._loaded is None:
            raise RefusedError("the node is not configured")
        voice = self._loaded.voice
        if not isinstance(voice.decoder, PhraseBank):
            raise RefusedError(
                f"the decoder is {self.parameters['decoder']!r}, which needs no phrases; they are "
                "for the decoder 'phrases'"
            )
        return Bank(voice.decoder, voice.bundle.space_id)

    def _cameras(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the cameras, as they are or as they are about to be; one empty name for none."""
        return camera_names(changed.get("cameras", self.parameters["cameras"])) or ("",)

    def _change_config(self, changed: Mapping[str, Any]) -> ChangeConfig:
        """Return when a change counts, as it is or as it is about to be."""
        names = [spec.name for spec in DETECTOR]
        return ChangeConfig(**{n: changed.get(n, self.parameters[n]) for n in names})

    def _require_loaded(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("the node is not configured")
        return self._loaded


def main() -> int:
    """Run the node."""
    return run(Describer)


if __name__ == "__main__":
    sys.exit(main())
