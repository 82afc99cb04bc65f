# SPDX-License-Identifier: Apache-2.0
"""The embedder node: images of one or more cameras in, one embedding per query and tick out.

The subscription's callback decides by stamp, decodes and shrinks; the worker thread runs the model
and publishes. Frames of several cameras that wait go through the model in one run. If the model is
slower than a camera, the camera's newest frame wins and the others are counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vljepa_msgs.msg import Embedding, ModelInfo, Query
from vljepa_ros.nodes.camera_input import CameraInput
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.diagnostics import Health, Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.common.worker import Worker
from vljepa_ros.nodes.diagnostic_keys import FRAMES_REPLACED
from vljepa_ros.nodes.parameter_tables import EMBEDDER
from vljepa_ros.nodes.text_services import TextServices
from vljepa_ros.runtime.backend import DeviceLostError
from vljepa_ros.runtime.clip_embedder import ONE_CAMERA, ClipEmbedder, Frame, newest_of_each
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.tensorrt.engines import BuildNews
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions

MAX_FAILURES = 5  # of the model in a row, after which the node deactivates itself
_PACE = ("rate_hz", "max_gap_s")
_Frames = Mapping[str, Frame]  # by camera


@dataclass(frozen=True)
class _Configured:
    """What lives from configure to cleanup."""

    model: VLJepa
    clips: ClipEmbedder
    worker: Worker[_Frames]
    embeddings: Mapping[str, Any]  # LifecyclePublisher by camera
    info: Any  # LifecyclePublisher


class Embedder(ManagedNode):
    """Parameters are in :data:`.parameter_tables.EMBEDDER`."""

    def __init__(self, **options: Any) -> None:
        """Offer the services; everything else waits for configure."""
        super().__init__("embedder", EMBEDDER, **options)
        self._model: VLJepa | None = None  # from load to cleanup
        self._configured: _Configured | None = None
        self._inputs: dict[str, CameraInput] = {}  # by camera; from activate to deactivate
        self._failures = 0
        self._model_ms = 0.0
        self._latest_news: tuple[str, int | None] = ("", None)
        self._text_services = TextServices(self, self._engine)

    def load(self) -> None:
        """Load the model and run it once."""
        began_s = time.monotonic()
        cameras = self._cameras({})
        try:
            self._model = model = VLJepa.load(
                self.parameters["bundle"] or None,
                backend=self.parameters["backend"],
                threads=self.parameters["threads"],
                engines=EngineOptions(
                    cameras=len(cameras),
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
        cameras = self._cameras({})
        self._configured = _Configured(
            model=model,
            clips=ClipEmbedder(model, self.parameters["queries"], cameras),
            worker=Worker(self._compute, on_error=self._on_model_error, wake=self.wake),
            embeddings={camera: self._offer_embeddings(camera) for camera in cameras},
            info=self.create_lifecycle_publisher(ModelInfo, "~/model_info", qos.latched(1)),
        )

    def do_activate(self) -> None:
        """Subscribe to the images and tell which model looks at them."""
        configured = self._require_configured()
        self._failures = 0
        pace, bundle = self._pace(configured, {}), configured.model.bundle
        for camera, publisher in configured.embeddings.items():
            self._inputs[camera] = CameraInput(
                self, camera, publisher, bundle, pace, self._on_frame
            )
        self._publish_info(configured)

    def do_deactivate(self) -> None:
        """Unsubscribe and forget the streams."""
        inputs, self._inputs = self._inputs, {}
        for one in inputs.values():
            one.close()
        if self._configured is not None:
            self._configured.worker.clear()
            self._configured.worker.post(self._configured.clips.clear)

    def do_cleanup(self) -> None:
        """Stop the worker and let the model go."""
        configured, self._configured = self._configured, None
        model, self._model = self._model, None
        if configured is not None:
            if not configured.worker.stop():
                self.get_logger().warning(
                    "the model is still computing and is left to end by itself"
                )
            for publisher in (*configured.embeddings.values(), configured.info):
                self.destroy_lifecycle_publisher(publisher)
        if model is not None:
            model.close()

    def close(self) -> None:
        """Stop the worker, and free the model unless it is busy or its device lost."""
        stopped = self._configured is None or self._configured.worker.stop()
        if self._model is not None and stopped and not self.fatal:
            self._model.close()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new queries or a new pace; configure and activate read the others."""
        self._cameras(changed)
        configured = self._configured
        if configured is not None and "queries" in changed:
            configured.clips.use_queries(changed["queries"])
            self._publish_info(configured)
        if configured is not None:
            pace = self._pace(configured, changed)
            if pace != self._pace(configured, {}):
                for one in self._inputs.values():
                    one.set_pace(pace)

    def health(self) -> Health:
        """Report rates, ages and counts."""
        configured, inputs = self._require_configured(), self._inputs.values()
        values = {
            **{key: value for one in inputs for key, value in one.values().items()},
            "model_ms": self._model_ms,
            "model": f"{configured.model.bundle.name} {configured.model.bundle.version}",
            "space_id": configured.model.bundle.space_id,
            "backend": f"{configured.model.backend.name} {configured.model.backend.precision}",
            "backend reason": configured.model.backend_reason,
            "queries": ", ".join(configured.clips.queries),
            **self.tally.values(),
        }
        return Health(*self._judgement(), values)

    def _judgement(self) -> tuple[Level, str]:
        """Say how bad it is: one silent camera is a warning, as the others are still seen."""
        inputs = list(self._inputs.values())
        silences = [one.silence() for one in inputs]
        if all(silences):
            return Level.STALE, "; ".join(silences)
        if self._failures:
            return Level.WARN, f"the model failed {self._failures} times in a row"
        faults = [silence or one.fault() for one, silence in zip(inputs, silences, strict=True)]
        if any(faults):
            return Level.WARN, "; ".join(filter(None, faults))
        return Level.OK, f"{sum(one.clips_hz for one in inputs):.1f} clips per second"

    def _on_frame(self, camera: str, frame: Frame) -> None:
        """Take a frame of a camera; in the executor."""
        if self._configured is not None:
            self._configured.worker.offer({camera: frame}, merge=self._merged)

    def _merged(self, waiting: _Frames, new: _Frames) -> _Frames:
        """Let each camera's newest frame wait, and count those that it replaces."""
        for camera in waiting.keys() & new.keys():
            self._inputs[camera].tally.count(FRAMES_REPLACED)
        return newest_of_each(waiting, new)

    def _compute(self, frames: _Frames) -> None:
        """Run the model on the frames of some cameras and publish; in the worker."""
        configured, inputs = self._require_configured(), self._inputs
        began_s = time.monotonic()
        found = configured.clips.add(frames)
        self._model_ms = (time.monotonic() - began_s) * 1e3
        self._failures = 0
        for camera in found.keys() & inputs.keys():  # none if the node was deactivated
            inputs[camera].publish(found[camera], frames[camera].frame_id)

    def _offer_embeddings(self, camera: str) -> Any:
        topic = f"~/{camera}/embedding" if camera else "~/embedding"
        return self.create_lifecycle_publisher(Embedding, topic, qos.reliable(10))

    def _publish_info(self, configured: _Configured) -> None:
        bundle, backend = configured.model.bundle, configured.model.backend
        info = ModelInfo(
            name=bundle.name,
            version=bundle.version,
            space_id=bundle.space_id,
            dimension=bundle.dimension,
            clip_frames=bundle.clip.frames,
            clip_rate_hz=float(bundle.clip.rate_hz),
            logit_scale=float(bundle.logit_scale),
            queries=[Query(name=n, text=t) for n, t in configured.clips.queries.items()],
            backend=backend.name,
            precision=backend.precision,
            backend_reason=configured.model.backend_reason,
        )
        info.header.stamp = self.get_clock().now().to_msg()
        configured.info.publish(info)

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

    def _pace(self, configured: _Configured, changed: Mapping[str, Any]) -> dict[str, float]:
        """Return the rate and the gap, as they are or as they are about to be."""
        wanted = {name: changed.get(name, self.parameters[name]) for name in _PACE}
        return {**wanted, "rate_hz": wanted["rate_hz"] or configured.model.bundle.stream_rate_hz}

    def _cameras(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the cameras, as they are or as they are about to be; one empty name for none."""
        return camera_names(changed.get("cameras", self.parameters["cameras"])) or ONE_CAMERA

    def _require_configured(self) -> _Configured:
        if self._configured is None:
            raise RuntimeError("the node is not configured")
        return self._configured

    def _engine(self) -> tuple[VLJepa, ClipEmbedder, Worker[_Frames]] | None:
        configured = self._configured
        return (
            None if configured is None else (configured.model, configured.clips, configured.worker)
        )


def main() -> int:
    """Run the node."""
    return run(Embedder)


if __name__ == "__main__":
    sys.exit(main())
