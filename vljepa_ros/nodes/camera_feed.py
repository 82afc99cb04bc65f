# SPDX-License-Identifier: Apache-2.0
"""One camera of the embedder: images in, embeddings out, and how it fares.

The model in between is shared by all cameras. What goes wrong with one of them is counted, and
said, under its name, and does not touch the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.conversions import to_floats, to_stamp
from vljepa_ros.nodes.common.diagnostics import Rate
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import SILENCE_S, Listener
from vljepa_ros.nodes.image_intake import ImageIntake
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import Embedded
from vljepa_ros.stream.frame import Frame

_NS_PER_MS = 1e6


class CameraFeed:
    """Listens to one camera from its creation until :meth:`close`."""

    def __init__(
        self,
        node: ManagedNode,
        camera: str,
        publisher: Any,
        bundle: Bundle,
        pace: Mapping[str, float],
        on_frame: Callable[[str, Frame], None],
    ) -> None:
        """Subscribe.

        Args:
            node: the embedder.
            camera: name of the camera; empty where there is only one, without a name.
            publisher: of its embeddings.
            bundle: says the size of the frames.
            pace: ``rate_hz`` and ``max_gap_s``.
            on_frame: takes the camera's name and each frame that is due; in the executor.
        """
        self.tally = node.tally.part(camera) if camera else node.tally
        self._node, self._camera, self._publisher = node, camera, publisher
        self._space_id = bundle.space_id
        self._on_frame = on_frame
        self.clips_hz = 0.0  # embedded between the last two reports
        self._rate = Rate()
        self._age_ms = 0.0
        self._published_s = time.monotonic()
        self._intake = ImageIntake(
            **pace, size=bundle.frame, tally=self.tally, now_ns=self._now_ns
        )
        kind, topic = Image, f"{camera}/image_raw" if camera else "image_raw"
        if node.parameters["image_transport"] == "compressed":
            # As image_transport does it: a remapping of the base topic holds here too.
            kind, topic = CompressedImage, f"{node.resolve_topic_name(topic)}/compressed"
        self._listener = Listener(node, kind, topic, self._take, qos.sensor_data(), self.tally)
        self._jumps = on_clock_jump(node, self._intake.restart)

    def close(self) -> None:
        """Unsubscribe."""
        self._listener.close()
        self._jumps.unregister()

    def set_pace(self, pace: Mapping[str, float]) -> None:
        """Change the rate and the gap; the stream starts anew."""
        self._intake.set_pace(**pace)

    def publish(self, embedded: Embedded, frame_id: str) -> None:
        """Publish the embeddings of a clip; in the worker."""
        header = Header(stamp=to_stamp(embedded.end_ns), frame_id=frame_id)
        window_start = to_stamp(embedded.start_ns)
        for query, vector in embedded.vectors.items():
            self._publisher.publish(
                Embedding(
                    header=header,
                    window_start=window_start,
                    space_id=self._space_id,
                    query=query,
                    normalized=True,
                    data=to_floats(vector),
                )
            )
        self._rate.tick()
        self._published_s = time.monotonic()
        self._age_ms = (self._now_ns() - embedded.end_ns) / _NS_PER_MS

    def values(self) -> dict[str, object]:
        """Return what a report says of this camera; rates are since the report before."""
        self.clips_hz = self._rate.read()
        values: dict[str, object] = {
            "topic": self._listener.topic,
            "images_hz": self._listener.rate.read(),
            "clips_hz": self.clips_hz,
            "age_ms": self._age_ms,
        }
        return {self._named(key): value for key, value in values.items()}

    def silence(self) -> str:
        """Say why no image comes; empty where some do."""
        complaint = self._listener.complaint()
        return self._named(complaint) if complaint else ""

    def fault(self) -> str:
        """Say that images lead to no embeddings; empty where they do."""
        if time.monotonic() - self._published_s <= SILENCE_S:
            return ""
        return self._named("images come, but no embedding goes out")

    def _take(self, message: Image | CompressedImage) -> None:
        frame = self._intake.take(message)
        if frame is not None:
            self._on_frame(self._camera, frame)

    def _named(self, text: str) -> str:
        return f"{self._camera}: {text}" if self._camera else text

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
