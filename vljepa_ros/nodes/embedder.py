# SPDX-License-Identifier: Apache-2.0
"""The embedder node: images in, one embedding per query and tick out.

The subscription's callback decides by stamp, decodes and shrinks; the worker thread runs the model
and publishes. Where the model is slower than the camera, the newest frame wins and the others are
counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.clock import JumpHandle
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vljepa_msgs.msg import Embedding, ModelInfo, Query
from vljepa_ros.nodes import qos
from vljepa_ros.nodes.clock_jumps import on_clock_jump
from vljepa_ros.nodes.conversions import to_floats, to_stamp
from vljepa_ros.nodes.diagnostics import Health, Level, Rate
from vljepa_ros.nodes.image_intake import ImageIntake
from vljepa_ros.nodes.lifecycle import ManagedNode
from vljepa_ros.nodes.listener import SILENCE_S, Listener
from vljepa_ros.nodes.parameter_tables import EMBEDDER
from vljepa_ros.nodes.parameters import Phase
from vljepa_ros.nodes.run import run
from vljepa_ros.nodes.text_services import TextServices
from vljepa_ros.nodes.worker import Worker
from vljepa_ros.runtime.backend import DeviceLostError
from vljepa_ros.runtime.clip_embedder import ClipEmbedder, Embedded
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.backend import EngineOptions
from vljepa_ros.runtime.tensorrt.engines import BuildNews
from vljepa_ros.stream.frame import Frame, newest

MAX_FAILURES = 5  # of the model in a row, after which the node deactivates itself
_PACE = ("rate_hz", "max_gap_s")
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class _Loaded:
    """What lives from configure to cleanup."""

    model: VLJepa
    clips: ClipEmbedder
    worker: Worker[Frame]
    embeddings: Any  # LifecyclePublisher
    info: Any  # LifecyclePublisher


@dataclass(frozen=True)
class _Stream:
    """What lives from activate to deactivate."""

    intake: ImageIntake
    listener: Listener
    jumps: JumpHandle


class Embedder(ManagedNode):
    """Parameters are in :data:`.parameter_tables.EMBEDDER`."""

    def __init__(self, **options: Any) -> None:
        """Offer the services; everything else waits for configure."""
        super().__init__("embedder", EMBEDDER, **options)
        self._model: VLJepa | None = None  # from load to cleanup
        self._loaded: _Loaded | None = None
        self._stream: _Stream | None = None
        self._clips = Rate()
        self._published_s = 0.0
        self._failures = 0
        self._age_ms = self._model_ms = 0.0
        self._latest_news: tuple[str, int | None] = ("", None)
        self._text_services = TextServices(self, self._engine)

    def load(self) -> None:
        """Load the model and run it once."""
        began_s = time.monotonic()
        try:
            self._model = model = VLJepa.load(
                self.parameters["bundle"] or None,
                backend=self.parameters["backend"],
                threads=self.parameters["threads"],
                engines=EngineOptions(
                    allow_build=self.parameters["allow_build"],
                    allow_untrusted=self.parameters["allow_untrusted_engines"],
                    cuda_graphs=self.parameters["cuda_graphs"],
                    progress=self._on_build_news,
                ),
            )
        except DeviceLostError as error:
            self.end_process(str(error))
            raise
        self.get_logger().info(
            f"loaded {model.bundle.name} {model.bundle.version} from {model.bundle.root} with "
            f"{model.backend.name} in {time.monotonic() - began_s:.1f} s ({model.backend_reason})"
        )

    def do_configure(self) -> None:
        """Start the worker and offer the topics."""
        model = self._model
        assert model is not None, "load made it"
        self._loaded = _Loaded(
            model=model,
            clips=ClipEmbedder(model, self.parameters["queries"]),
            worker=Worker(self._compute, on_error=self._on_model_error, wake=self.wake),
            embeddings=self.create_lifecycle_publisher(Embedding, "~/embedding", qos.reliable(10)),
            info=self.create_lifecycle_publisher(ModelInfo, "~/model_info", qos.latched(1)),
        )

    def do_activate(self) -> None:
        """Subscribe to the images and tell which model looks at them."""
        loaded = self._require_loaded()
        self._failures = 0
        self._published_s = time.monotonic()
        intake = ImageIntake(
            **self._pace(loaded, {}),
            size=loaded.model.bundle.frame,
            tally=self.tally,
            now_ns=self._now_ns,
        )
        kind, topic = Image, "image_raw"
        if self.parameters["image_transport"] == "compressed":
            # As image_transport does it: a remapping of the base topic holds here too.
            kind, topic = CompressedImage, f"{self.resolve_topic_name(topic)}/compressed"
        listener = Listener(self, kind, topic, self._on_image, qos.sensor_data(), self.tally)
        self._stream = _Stream(intake, listener, on_clock_jump(self, intake.restart))
        self._publish_info(loaded)

    def do_deactivate(self) -> None:
        """Unsubscribe and forget the stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.listener.close()
            stream.jumps.unregister()
        if self._loaded is not None:
            self._loaded.worker.clear()
            self._loaded.worker.post(self._loaded.clips.clear)

    def do_cleanup(self) -> None:
        """Stop the worker and let the model go."""
        loaded, self._loaded = self._loaded, None
        model, self._model = self._model, None
        if loaded is not None:
            if not loaded.worker.stop():
                self.get_logger().warning(
                    "the model is still computing and is left to end by itself"
                )
            self.destroy_lifecycle_publisher(loaded.embeddings)
            self.destroy_lifecycle_publisher(loaded.info)
        if model is not None:
            model.close()

    def close(self) -> None:
        """Stop the worker, and free the model unless it is busy or its device lost."""
        stopped = self._loaded is None or self._loaded.worker.stop()
        if self._model is not None and stopped and not self.fatal:
            self._model.close()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new queries or a new pace; configure and activate read the others."""
        loaded = self._loaded
        if loaded is not None and "queries" in changed:
            loaded.clips.use_queries(changed["queries"])
            self._publish_info(loaded)
        if loaded is not None and self._stream is not None:
            pace = self._pace(loaded, changed)
            if pace != self._pace(loaded, {}):
                self._stream.intake.set_pace(**pace)

    def health(self) -> Health:
        """Report rates, ages and counts."""
        loaded, stream = self._require_loaded(), self._stream
        assert stream is not None, "only an active node is asked"
        silence = stream.listener.complaint()
        clips_hz = self._clips.read()
        values = {
            "topic": stream.listener.topic,
            "images_hz": stream.listener.rate.read(),
            "clips_hz": clips_hz,
            "age_ms": self._age_ms,
            "model_ms": self._model_ms,
            "model": f"{loaded.model.bundle.name} {loaded.model.bundle.version}",
            "space_id": loaded.model.bundle.space_id,
            "backend": f"{loaded.model.backend.name} {loaded.model.backend.precision}",
            "backend reason": loaded.model.backend_reason,
            "queries": ", ".join(loaded.clips.queries),
            **self.tally.values(),
        }
        if silence:
            return Health(Level.STALE, silence, values)
        if self._failures:
            return Health(Level.WARN, f"the model failed {self._failures} times in a row", values)
        if time.monotonic() - self._published_s > SILENCE_S:
            return Health(Level.WARN, "images come, but no embedding goes out", values)
        return Health(Level.OK, f"{clips_hz:.1f} clips per second", values)

    def _on_image(self, message: Image | CompressedImage) -> None:
        """Take an image; in the executor."""
        if self._stream is None or self._loaded is None:
            return
        frame = self._stream.intake.take(message)
        if frame is not None and self._loaded.worker.offer(frame, merge=newest):
            self.tally.count("frames replaced by newer ones")

    def _compute(self, frame: Frame) -> None:
        """Run the model on a frame and publish; in the worker."""
        loaded = self._require_loaded()
        began_s = time.monotonic()
        embedded = loaded.clips.add(frame)
        self._model_ms = (time.monotonic() - began_s) * 1e3
        self._failures = 0
        if embedded is not None:
            self._publish(loaded, embedded, frame.frame_id)

    def _publish(self, loaded: _Loaded, embedded: Embedded, frame_id: str) -> None:
        header = Header(stamp=to_stamp(embedded.end_ns), frame_id=frame_id)
        window_start = to_stamp(embedded.start_ns)
        for query, vector in embedded.vectors.items():
            loaded.embeddings.publish(
                Embedding(
                    header=header,
                    window_start=window_start,
                    space_id=loaded.model.bundle.space_id,
                    query=query,
                    normalized=True,
                    data=to_floats(vector),
                )
            )
        self._clips.tick()
        self._published_s = time.monotonic()
        self._age_ms = (self._now_ns() - embedded.end_ns) / _NS_PER_MS

    def _publish_info(self, loaded: _Loaded) -> None:
        bundle, backend = loaded.model.bundle, loaded.model.backend
        info = ModelInfo(
            name=bundle.name,
            version=bundle.version,
            space_id=bundle.space_id,
            dimension=bundle.dimension,
            clip_frames=bundle.clip.frames,
            clip_rate_hz=float(bundle.clip.rate_hz),
            logit_scale=float(bundle.logit_scale),
            queries=[Query(name=n, text=t) for n, t in loaded.clips.queries.items()],
            backend=backend.name,
            precision=backend.precision,
            backend_reason=loaded.model.backend_reason,
        )
        info.header.stamp = self.get_clock().now().to_msg()
        loaded.info.publish(info)

    def _on_model_error(self, error: Exception) -> None:
        """Count a failure of the model; in the worker."""
        if not self.context.ok():
            return  # the process ends, and nothing can be published any more
        if isinstance(error, DeviceLostError):
            self.end_process(str(error))
            return
        self._failures += 1
        self.tally.warn("model failures", f"{type(error).__name__}: {error}")
        if self._failures == MAX_FAILURES:
            self.deactivate_because(f"the model failed {MAX_FAILURES} times in a row: {error}")

    def _on_build_news(self, news: BuildNews) -> None:
        """Show what happens to the engines while the node loads; in the thread that builds."""
        if self.phase is not Phase.CONFIGURING or not self.context.ok():
            raise RuntimeError("the node was shut down")
        text = f"{news.graph}: {news.text}"
        if news.warning:
            self.tally.warn("engines not kept", text)
        elif self._is_news(news):
            self.get_logger().info(text)
        self.progress = text

    def _is_news(self, news: BuildNews) -> bool:
        """Whether a build has come to another tenth, or tells something else."""
        tenth = None if news.fraction is None else int(10 * news.fraction)
        latest, self._latest_news = self._latest_news, (news.graph, tenth)
        return tenth is None or self._latest_news != latest

    def _pace(self, loaded: _Loaded, changed: Mapping[str, Any]) -> dict[str, float]:
        """Return the rate and the gap, as they are or as they are about to be."""
        wanted = {name: changed.get(name, self.parameters[name]) for name in _PACE}
        return {**wanted, "rate_hz": wanted["rate_hz"] or loaded.model.bundle.stream_rate_hz}

    def _require_loaded(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("the node is not configured")
        return self._loaded

    def _engine(self) -> tuple[VLJepa, ClipEmbedder, Worker[Frame]] | None:
        loaded = self._loaded
        return None if loaded is None else (loaded.model, loaded.clips, loaded.worker)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> int:
    """Run the node."""
    return run(Embedder)


if __name__ == "__main__":
    sys.exit(main())
