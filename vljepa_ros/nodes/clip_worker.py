# SPDX-License-Identifier: Apache-2.0
"""The embedder's work: frames of all cameras through the model, in one thread.

Frames of several cameras that wait go through the model in one run. If the model is slower than a
camera, the camera's newest frame wins and the others are counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vljepa_ros.nodes.camera_input import CameraInput
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.worker import Worker
from vljepa_ros.nodes.diagnostic_keys import FRAMES_REPLACED
from vljepa_ros.runtime.backend import DeviceLostError
from vljepa_ros.runtime.clip_embedder import (
    ClipAnswer,
    ClipEmbedder,
    Frame,
    newest_of_each,
)
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.image_faults import ImageFault

MAX_FAILURES = 5  # of the model in a row, after which the node deactivates itself
_UNSEEN = (math.nan, ImageFault.NO_FAULT)  # of a clip for which the model failed
_Frames = Mapping[str, Frame]  # by camera


class AskedClip(NamedTuple):
    """An answer about a clip, and how far it can be trusted, as in Embedding."""

    answer: ClipAnswer
    unfamiliarity: float
    image_fault: ImageFault


class ClipWorker:
    """Takes frames and publishes embeddings from :meth:`start` to :meth:`stop`.

    Attributes:
        model: the loaded model.
        clips: cuts clips and embeds them.
        thread: runs the model; services hand it their calls.
        inputs: the cameras by name.
        model_ms: duration of the last run of the model.
        failures: of the model in a row.
    """

    def __init__(
        self,
        node: ManagedNode,
        model: VLJepa,
        queries: Sequence[str],
        inputs: Mapping[str, CameraInput],
    ) -> None:
        """Start the thread.

        Args:
            node: the embedder.
            model: the loaded model.
            queries: what it is asked.
            inputs: the cameras by name.

        Raises:
            ValueError: a query cannot be used.
        """
        self._node = node
        self.model = model
        self.clips = ClipEmbedder(model, queries, list(inputs))
        self.thread: Worker[_Frames] = Worker(
            self._compute, on_error=self._on_error, wake=node.wake
        )
        self.inputs = inputs
        self.model_ms = 0.0
        self.failures = 0
        self._seen: dict[str, tuple[float, ImageFault]] = {}  # of the newest clip, by camera

    def start(self, pace: Mapping[str, float], early: Iterable[tuple[str, Frame]] = ()) -> None:
        """Subscribe to the images.

        Args:
            pace: ``rate_hz`` and ``max_gap_s``.
            early: frames that came before, by camera, oldest first.
        """
        self.failures = 0
        for camera, frame in early:
            self.thread.put({camera: frame}, kind=(camera, frame.stamp_ns))  # none is replaced
        for one in self.inputs.values():
            one.on_frame = self._on_frame
            one.start(pace)

    def stop(self) -> None:
        """Unsubscribe and forget the streams."""
        for camera in self.inputs.values():
            camera.stop()
        self.thread.clear()
        self.thread.post(self.clips.clear)

    def close(self) -> None:
        """Stop the thread."""
        if not self.thread.stop():
            self._node.get_logger().warning(
                "the model is still computing and is left to end by itself"
            )

    def ask(self, question: str, answers: Sequence[str], camera: str) -> AskedClip:
        """Do what :meth:`ClipEmbedder.ask` does, and say how far it can be trusted.

        In the thread.
        """
        answer = self.clips.ask(question, answers, camera)
        return AskedClip(answer, *self._seen.get(camera or next(iter(self.inputs)), _UNSEEN))

    def _on_frame(self, camera: str, frame: Frame) -> None:
        """Take a frame of a camera; in the executor."""
        self.thread.put({camera: frame}, merge=self._merged)

    def _merged(self, waiting: _Frames, new: _Frames) -> _Frames:
        """Let each camera's newest frame wait, and count those that it replaces."""
        for camera in waiting.keys() & new.keys():
            self.inputs[camera].tally.count(FRAMES_REPLACED)
        return newest_of_each(waiting, new)

    def _compute(self, frames: _Frames) -> None:
        """Run the model on the frames of some cameras and publish; in the thread."""
        began_s = time.monotonic()
        found = self.clips.add(frames)
        self.model_ms = (time.monotonic() - began_s) * 1e3
        self.failures = 0
        for camera, embedded in found.items():
            frame = frames[camera]
            self._seen[camera] = embedded.unfamiliarity, frame.fault
            self.inputs[camera].publish(embedded, frame.frame_id, frame.fault)

    def _on_error(self, error: Exception) -> None:
        """Count a failure of the model; in the thread."""
        node = self._node
        if not node.context.ok():
            return  # the process ends, and nothing can be published any more
        if isinstance(error, DeviceLostError):
            node.end_process(str(error))
            return
        self.failures += 1
        node.tally.warn("model failures", f"{type(error).__name__}: {error}")
        if self.failures == MAX_FAILURES:
            node.deactivate_because(f"the model failed {MAX_FAILURES} times in a row: {error}")
