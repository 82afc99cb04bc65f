# SPDX-License-Identifier: Apache-2.0
"""The describer node: embeddings in, one message in words per change of state out.

The subscription's callback runs the change detector of the query; the worker thread finds the
words and publishes, so a slow decoder never holds up the embeddings. Where it is slower than the
changes, the newest state of each query is described and the others are counted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import JumpHandle
from std_msgs.msg import Header

from vljepa_msgs.msg import Embedding, ModelInfo, StateDescription
from vljepa_msgs.srv import Describe
from vljepa_ros.nodes import qos
from vljepa_ros.nodes.clock_jumps import on_clock_jump
from vljepa_ros.nodes.conversions import to_ns, to_stamp, to_vector
from vljepa_ros.nodes.diagnostics import Health, Level, Rate
from vljepa_ros.nodes.lifecycle import ManagedNode
from vljepa_ros.nodes.listener import Listener
from vljepa_ros.nodes.parameter_tables import DESCRIBER
from vljepa_ros.nodes.run import run
from vljepa_ros.nodes.worker import Worker, WorkerStoppedError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.narrator import Narrator, Told
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.stream.change import ChangeConfig, Reason
from vljepa_ros.stream.state_watch import Moment, NothingToDescribeError, StateWatch, combined
from vljepa_ros.stream.text import clean_text
from vljepa_ros.stream.vectors import EmbeddingError

_CHANGE = ("threshold", "smoothing_s", "confirmations", "min_gap_s", "refresh_s")


@dataclass(frozen=True)
class _Loaded:
    """What lives from configure to cleanup."""

    bundle: Bundle
    phrases: PhraseBank
    worker: Worker[Moment]
    states: Any  # LifecyclePublisher


@dataclass(frozen=True)
class _Stream:
    """What lives from activate to deactivate."""

    watch: StateWatch
    narrator: Narrator  # the worker's
    embeddings: Listener
    info: Any  # Subscription
    jumps: JumpHandle


class Describer(ManagedNode):
    """Parameters are in :data:`.parameter_tables.DESCRIBER`."""

    def __init__(self, **options: Any) -> None:
        """Offer the service; everything else waits for configure."""
        super().__init__("describer", DESCRIBER, **options)
        self._loaded: _Loaded | None = None
        self._stream: _Stream | None = None
        self._told = Rate()
        # An answer that waits for the worker must not hold up embeddings: a group of its own.
        group = MutuallyExclusiveCallbackGroup()
        self.create_service(Describe, "~/describe", self._on_describe, callback_group=group)

    def do_configure(self) -> None:
        """Load the phrases."""
        self._change_config({})
        bundle = Bundle.load(self.parameters["bundle"] or default_bundle_path())
        self._loaded = _Loaded(
            bundle=bundle,
            phrases=PhraseBank.from_bundle(bundle),
            worker=Worker(self._describe, on_error=self._on_decoder_error, wake=self.wake),
            states=self.create_lifecycle_publisher(StateDescription, "~/state", qos.latched(10)),
        )

    def do_activate(self) -> None:
        """Subscribe to the embeddings."""
        loaded = self._require_loaded()
        watch = StateWatch(self._change_config({}))
        topic, profile = "embedder/embedding", qos.reliable(10)
        self._stream = _Stream(
            watch=watch,
            narrator=Narrator(loaded.phrases),
            embeddings=Listener(self, Embedding, topic, self._on_embedding, profile, self.tally),
            info=self.create_subscription(
                ModelInfo, "embedder/model_info", self._on_model_info, qos.latched(1)
            ),
            jumps=on_clock_jump(self, watch.reset),
        )

    def do_deactivate(self) -> None:
        """Unsubscribe and forget the states."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.embeddings.close()
            self.destroy_subscription(stream.info)
            stream.jumps.unregister()
        if self._loaded is not None:
            self._loaded.worker.clear()

    def do_cleanup(self) -> None:
        """Stop the worker and let the phrases go."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.worker.stop()
            self.destroy_lifecycle_publisher(loaded.states)

    def close(self) -> None:
        """Stop the worker at the end of the process."""
        if self._loaded is not None:
            self._loaded.worker.stop()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new thresholds and times."""
        config = self._change_config(changed)
        if self._stream is not None:
            self._stream.watch.set_config(config)

    def health(self) -> Health:
        """Report rates, states and counts."""
        loaded, stream = self._require_loaded(), self._stream
        assert stream is not None, "only an active node is asked"
        silence = stream.embeddings.complaint()
        values = {
            "topic": stream.embeddings.topic,
            "embeddings_hz": stream.embeddings.rate.read(),
            "descriptions_hz": self._told.read(),
            "descriptions": self._told.total,
            "space_id": loaded.bundle.space_id,
            **{f"state of {query}": text for query, text in stream.narrator.states.items()},
            **self.tally.values(),
        }
        if silence:
            return Health(Level.STALE, silence, values)
        return Health(Level.OK, f"{self._told.total} descriptions", values)

    def _on_embedding(self, message: Embedding) -> None:
        """Take an embedding; in the executor."""
        loaded, stream = self._require_loaded(), self._stream
        if stream is None or not self._is_comparable(loaded, message.space_id, len(message.data)):
            return
        stamp_ns, frame_id = to_ns(message.header.stamp), message.header.frame_id
        try:
            vector = to_vector(message.data)
            moment = stream.watch.update(message.query, stamp_ns, vector, frame_id)
        except EmbeddingError as error:
            self.tally.warn("embeddings refused", f"embedding refused: {error}")
            return
        if moment and loaded.worker.offer(moment, kind=moment.query, merge=combined):
            self.tally.count("states replaced by newer ones")

    def _on_model_info(self, info: ModelInfo) -> None:
        """Follow the queries of the embedder; in the executor."""
        if self._stream is not None and self._is_comparable(self._require_loaded(), info.space_id):
            self._stream.watch.keep_only({query.name: query.text for query in info.queries})

    async def _on_describe(
        self, request: Describe.Request, response: Describe.Response
    ) -> Describe.Response:
        try:
            loaded, stream = self._require_loaded(), self._stream
            if stream is None:
                raise NothingToDescribeError("the node is not active")
            moment = stream.watch.force(request.query)
            response.state = await loaded.worker.call(partial(self._describe, moment))
        except (LookupError, RuntimeError, ValueError) as error:
            self.tally.count("service requests refused")
            response.message = str(error)
            return response
        response.success = True
        return response

    def _describe(self, moment: Moment) -> StateDescription | None:
        """Put a state into words and publish them; in the worker."""
        loaded, stream = self._require_loaded(), self._stream
        if stream is None:
            raise WorkerStoppedError("the node is not active any more")
        told = stream.narrator.tell(moment.query, moment.decode)
        if told is None:
            self.tally.count("changes without new words")
            return None
        message = _message(moment, told)
        loaded.states.publish(message)
        self._told.tick()
        return message

    def _on_decoder_error(self, error: Exception) -> None:
        """Count a state that could not be described; in the worker."""
        if self.context.ok():  # else the process ends, and nothing can be published any more
            self.tally.warn("descriptions failed", f"{type(error).__name__}: {error}")

    def _is_comparable(self, loaded: _Loaded, space_id: str, dimension: int | None = None) -> bool:
        """Tell whether vectors can be compared with the phrases; count and log where not."""
        bundle = loaded.bundle
        if space_id == bundle.space_id and dimension in (None, bundle.dimension):
            return True
        self.tally.warn(
            "embeddings of another space",
            f"embeddings are of space {clean_text(space_id, limit=64)!r}, the phrases of "
            f"{bundle.space_id!r} ({bundle.dimension} numbers): both nodes need the same bundle",
        )
        return False

    def _change_config(self, changed: Mapping[str, Any]) -> ChangeConfig:
        """Return when a change counts, as it is or as it is about to be."""
        return ChangeConfig(**{n: changed.get(n, self.parameters[n]) for n in _CHANGE})

    def _require_loaded(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("the node is not configured")
        return self._loaded


def _message(moment: Moment, told: Told) -> StateDescription:
    decode = moment.decode
    return StateDescription(
        header=Header(stamp=to_stamp(decode.stamp_ns), frame_id=moment.frame_id),
        since=to_stamp(told.since_ns),
        text=told.text,
        previous_text=told.previous_text,
        query=moment.query,
        score=told.score,
        distance=0.0 if decode.reason is Reason.FIRST else decode.distance,
        reason=int(decode.reason),
        seq=told.seq,
    )


def main() -> int:
    """Run the node."""
    return run(Describer)


if __name__ == "__main__":
    sys.exit(main())
