# SPDX-License-Identifier: Apache-2.0
"""The embedder node: images of one or more cameras in, one embedding per query and tick out.

Here is the life of the node, its parameters and its report. :mod:`.camera_input` turns images into
frames, :mod:`.clip_worker` runs the model on them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from vljepa_msgs import msg
from vljepa_ros.nodes.camera_input import CameraInput
from vljepa_ros.nodes.camera_names import camera_names
from vljepa_ros.nodes.clip_worker import ClipWorker
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.complaints import MODEL_FAILS
from vljepa_ros.nodes.common.diagnostics import Health, Level
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.early_frames import EarlyFrames, is_live
from vljepa_ros.nodes.parameter_tables import EMBEDDER
from vljepa_ros.nodes.text_services import TextServices
from vljepa_ros.runtime.backend import DeviceLostError
from vljepa_ros.runtime.bundle import Bundle, default_bundle_path
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.queries import Query, QueryError, parse_queries, with_own
from vljepa_ros.runtime.queries_file import read_queries_file
from vljepa_ros.runtime.tensorrt.engines import BuildNews
from vljepa_ros.runtime.tensorrt.tensorrt_backend import EngineOptions

_PACE = ("rate_hz", "max_gap_s")
_LOOK_S = 0.05  # between two looks for cameras while the model loads


class Embedder(ManagedNode):
    """Parameters are in :data:`.parameter_tables.EMBEDDER`."""

    def __init__(self, **options: Any) -> None:
        """Create the services; everything else waits for configure."""
        super().__init__("embedder", EMBEDDER, **options)
        self._model: VLJepa | None = None  # from load to cleanup
        self._worker: ClipWorker | None = None  # from configure to cleanup
        self._inputs: dict[str, CameraInput] = {}  # from configure, or before, to cleanup
        self._early: EarlyFrames | None = None  # from load to activate, with autostart
        self._looking: Timer | None = None  # for cameras, while the model loads
        self._info: Any = None  # LifecyclePublisher, from configure to cleanup
        self._latest_news: tuple[str, int | None] = ("", None)
        self._own: Mapping[str, Query] = {}  # those of queries_file, from load to cleanup
        self._brought: Mapping[str, Query] = {}  # active ones that set_queries gave phrases
        self._text_services = TextServices(self, lambda: self._worker, self._set_queries)

    def load(self) -> None:
        """Load the model and run it once."""
        began_s = time.monotonic()
        cameras = self._cameras({})
        self._prepare_to_look_early()
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
        if file := self.parameters["queries_file"]:
            self._own = read_queries_file(Path(file), model.bundle.queries)
        self.get_logger().info(
            f"loaded {model.bundle.name} {model.bundle.version} from {model.bundle.root} with "
            f"{model.backend.name} in {time.monotonic() - began_s:.1f} s ({model.backend_reason})"
        )

    def do_configure(self) -> None:
        """Start the worker and create the publishers."""
        assert self._model is not None, "load made it"
        self._stop_looking()
        if not self._inputs:
            self._inputs = self._make_inputs(self._model.bundle)
        queries = with_own(self.parameters["queries"], self._own)
        self._worker = ClipWorker(self, self._model, queries, self._inputs)
        self._info = self.create_lifecycle_publisher(msg.ModelInfo, "~/model_info", qos.latched(1))

    def do_activate(self) -> None:
        """Subscribe to the images and tell which model looks at them."""
        worker, early = self._require_worker(), self._early
        self._early = None
        worker.start(self._pace(worker.model.bundle, {}), early.take() if early else ())
        self._publish_info(worker)

    def do_deactivate(self) -> None:
        """Unsubscribe and forget the streams."""
        if self._worker is not None:
            self._worker.stop()

    def do_cleanup(self) -> None:
        """Stop the worker and let the model go."""
        worker, self._worker = self._worker, None
        model, self._model = self._model, None
        info, self._info = self._info, None
        self._own = {}
        if worker is not None:
            worker.close()
        self._close_inputs()
        if info is not None:
            self.destroy_lifecycle_publisher(info)
        if model is not None:
            model.close()

    def close(self) -> None:
        """Stop the worker, and free the model unless it is busy or its device lost."""
        stopped = self._worker is None or self._worker.thread.stop()
        if self._model is not None and stopped and not self.fatal:
            self._model.close()

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take new queries or a new pace; configure and activate read the others."""
        self._cameras(changed)
        if (worker := self._worker) is None:
            for camera in self._inputs.values():  # what came early may not fit any more
                camera.stop()
            self._early = None
            return
        if "queries" in changed:
            worker.clips.use_queries(with_own(changed["queries"], self._own))
            self._brought = _still_asked(self._brought, worker.clips.queries)
            self._publish_info(worker)
        pace = self._pace(worker.model.bundle, changed)
        if pace != self._pace(worker.model.bundle, {}):
            for camera in worker.inputs.values():
                camera.set_pace(pace)
        if "frozen_after_s" in changed:
            for camera in worker.inputs.values():
                camera.set_frozen_after(changed["frozen_after_s"])

    def health(self) -> Health:
        """Report rates, ages and counts."""
        worker = self._require_worker()
        model, cameras = worker.model, worker.inputs.values()
        values = {
            **{key: value for camera in cameras for key, value in camera.values().items()},
            "model_ms": worker.model_ms,
            "model": f"{model.bundle.name} {model.bundle.version}",
            "space_id": model.bundle.space_id,
            "backend": f"{model.backend.name} {model.backend.precision}",
            "backend reason": model.backend_reason,
            "queries": ", ".join(worker.clips.queries),
            **self.tally.values(),
        }
        return Health(*_judge(worker), values)

    def _set_queries(
        self, entries: list[str], phrases: Mapping[str, tuple[str, ...]]
    ) -> SetParametersResult:
        """Set the parameter ``queries``, so that it always tells what is active.

        Args:
            entries: as in the parameter.
            phrases: those that a query brings, by its name.

        Raises:
            QueryError: a query cannot be used; nothing has changed.
        """
        worker, before = self._require_worker(), self._brought
        asked = parse_queries(with_own(entries, self._own), worker.model.bundle.queries)
        if stray := phrases.keys() - asked.keys():
            raise QueryError(f"phrases for {min(stray)!r}, which is no query")
        are_asked_already = entries == self.parameters["queries"]
        self._brought = {name: Query(asked[name], texts) for name, texts in phrases.items()}
        wanted = Parameter("queries", Parameter.Type.STRING_ARRAY, entries)
        result = self.set_parameters_atomically([wanted])
        if not result.successful:
            self._brought = before
        elif are_asked_already:  # nothing has told of the phrases
            self._publish_info(worker)
        return result

    def _phrases_of(self, name: str, text: str) -> tuple[str, ...]:
        """Return the phrases that came with a query, by a call or else in the file."""
        for queries in (self._brought, self._own):
            if name in queries and queries[name].text == text:
                return queries[name].phrases
        return ()

    def _prepare_to_look_early(self) -> None:
        """Let frames come while the model loads, if it will be active then; in its thread."""
        if not self.parameters["autostart"] or self.executor is None:
            return
        bundle = Bundle.load(self.parameters["bundle"] or default_bundle_path())
        self.executor.create_task(self._look_early, bundle)

    def _look_early(self, bundle: Bundle) -> None:
        """Subscribe to the cameras that are there; look for the others again and again."""
        if self.phase is not Phase.CONFIGURING:
            return
        pace = self._pace(bundle, {})
        self._inputs = self._inputs or self._make_inputs(bundle)
        self._early = self._early or EarlyFrames(bundle, pace["rate_hz"])
        for camera in self._inputs.values():
            if is_live(self, camera.topic):
                camera.on_frame = self._early.add
                camera.start(pace)
        if not self._looking:
            self._looking = self.create_timer(
                _LOOK_S,
                partial(self._look_early, bundle),
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )

    def _stop_looking(self) -> None:
        if self._looking:
            self.destroy_timer(self._looking)
            self._looking = None

    def _close_inputs(self) -> None:
        self._stop_looking()
        inputs, self._inputs, self._early = self._inputs, {}, None
        for camera in inputs.values():
            camera.stop()
            camera.close()

    def _make_inputs(self, bundle: Bundle) -> dict[str, CameraInput]:
        return {name: CameraInput(self, name, bundle) for name in self._cameras({})}

    def _publish_info(self, worker: ClipWorker) -> None:
        bundle, backend = worker.model.bundle, worker.model.backend
        info = msg.ModelInfo(
            name=bundle.name,
            version=bundle.version,
            space_id=bundle.space_id,
            dimension=bundle.dimension,
            clip_frames=bundle.clip.frames,
            clip_rate_hz=float(bundle.clip.rate_hz),
            logit_scale=float(bundle.logit_scale),
            has_statistics=bundle.has_statistics,
            has_calibration=bundle.has_calibration,
            queries=[
                msg.Query(name=name, text=text, phrases=self._phrases_of(name, text))
                for name, text in worker.clips.queries.items()
            ],
            backend=backend.name,
            precision=backend.precision,
            backend_reason=worker.model.backend_reason,
        )
        info.header.stamp = self.get_clock().now().to_msg()
        self._info.publish(info)

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

    def _pace(self, bundle: Bundle, changed: Mapping[str, Any]) -> dict[str, float]:
        """Return the rate and the gap, as they are or as they are about to be."""
        wanted = {name: changed.get(name, self.parameters[name]) for name in _PACE}
        return {**wanted, "rate_hz": wanted["rate_hz"] or bundle.stream_rate_hz}

    def _cameras(self, changed: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the cameras, as they are or as they are about to be."""
        return camera_names(changed.get("cameras", self.parameters["cameras"]))

    def _require_worker(self) -> ClipWorker:
        if self._worker is None:
            raise RuntimeError("the node is not configured")
        return self._worker


def _still_asked(brought: Mapping[str, Query], asked: Mapping[str, str]) -> dict[str, Query]:
    return {name: query for name, query in brought.items() if asked.get(name) == query.text}


def _judge(worker: ClipWorker) -> tuple[Level, str]:
    """Say how bad it is: one silent camera is a warning, as the others are still seen."""
    cameras = worker.inputs.values()
    silences = [camera.silence() for camera in cameras]
    if all(silences):
        return Level.STALE, "; ".join(silences)
    if worker.failures:
        return Level.WARN, MODEL_FAILS.told(worker.failures)
    faults = [silence or camera.fault() for camera, silence in zip(cameras, silences, strict=True)]
    if any(faults):
        return Level.WARN, "; ".join(filter(None, faults))
    return Level.OK, f"{sum(camera.clips_hz for camera in cameras):.1f} clips per second"


def main() -> int:
    """Run the node."""
    return run(Embedder)


if __name__ == "__main__":
    sys.exit(main())
