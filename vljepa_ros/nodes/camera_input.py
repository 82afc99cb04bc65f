# SPDX-License-Identifier: Apache-2.0
"""One camera of the embedder: images in, frames for the model, embeddings out.

The stamp decides first, so a frame that is not due costs no decoding. What is due is decoded and
shrunk at once: only small frames wait for the model, never whole messages.

The model in between is shared by all cameras. What goes wrong with one of them is counted and
logged under its name, and does not touch the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from rclpy.clock import JumpHandle
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from vljepa_msgs.msg import Embedding
from vljepa_ros.nodes.common import qos
from vljepa_ros.nodes.common.clock_jumps import on_clock_jump
from vljepa_ros.nodes.common.complaints import (
    IMAGE_FAULTS,
    IMAGES_LOST,
    MANY_REFUSED,
    SLOW_MODEL,
    STARVED,
    WRONG_STAMPS,
)
from vljepa_ros.nodes.common.conversions import to_floats, to_ns, to_rgb, to_stamp
from vljepa_ros.nodes.common.diagnostics import Rate
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.listener import SILENCE_S, Listener
from vljepa_ros.nodes.diagnostic_keys import (
    FRAME_SIZE,
    IMAGES_REFUSED,
    IMAGES_WITHOUT_STAMP,
    STAMPS,
)
from vljepa_ros.nodes.image_topic import image_topic
from vljepa_ros.nodes.visual_features import VisualFeaturesPublisher
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import ClipEmbeddings, Frame
from vljepa_ros.stream.hysteresis import Hysteresis
from vljepa_ros.stream.image_faults import ImageFault, ImageFaults
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.preprocess import LETTERBOX, fit_frame, letterbox_area
from vljepa_ros.stream.stamp_gate import Admission, StampFault, StampGate
from vljepa_ros.stream.stamp_rate import StampRate

_NS_PER_MS, _NS = 1e6, 1e9
_START_UP_S = 3.0  # of images and of clips, before which their rates say little
_ENOUGH = 0.8  # of the wanted rate
_FAULT_S = 1.0  # for which images are at fault before that is told


class CameraInput:
    """Publishes the embeddings of one camera; its publisher lasts until :meth:`close`.

    It listens from :meth:`start` to :meth:`stop`.

    Attributes:
        tally: counts what goes wrong with this camera.
        on_frame: takes the camera's name and each frame that is due; in the executor.
        wanted_hz: highest rate of clips, which a faster camera and model reach.
        clips_hz: rate of clips that went out between the last two reports.
    """

    def __init__(self, node: ManagedNode, camera: str, bundle: Bundle) -> None:
        """Create the publisher.

        Args:
            node: the embedder.
            camera: name of the camera; empty if there is only one, without a name.
            bundle: says the size of the frames.
        """
        self.tally = node.tally.part(camera) if camera else node.tally
        self._node, self._camera = node, camera
        self.on_frame: Callable[[str, Frame], None]  # set before start()
        self._space_id, self._size = bundle.space_id, bundle.frame
        topic = f"~/{camera}/embedding" if camera else "~/embedding"
        self._publisher = node.create_lifecycle_publisher(Embedding, topic, qos.embeddings())
        self._features = VisualFeaturesPublisher(node, camera, bundle.space_id)
        self._listener: Listener | None = None
        self._jumps: JumpHandle | None = None

    def start(self, pace: Mapping[str, float]) -> None:
        """Subscribe, unless that is done; ``pace`` is as :class:`StampGate` has it."""
        if self._listener is not None:
            return
        self.set_pace(pace)
        self._source: tuple[str, tuple[int, ...]] | None = None  # frame_id and shape
        self._refusal = ""  # of the newest image, if it was refused
        self._latest_refusal = ""
        self._images, self._frames, self._clips = StampRate(), StampRate(), StampRate()
        self._stamp_fault: StampFault | None = None
        self.clips_hz = 0.0
        self._rate = Rate()
        self._age_ms = 0.0
        self._seqs: dict[str, int] = {}  # of the newest embedding, by query
        self._published_s = time.monotonic()
        self._fit = self._node.parameters["image_fit"]
        is_simulated = bool(self._node.get_parameter("use_sim_time").value)
        frozen_after_s = self._node.parameters["frozen_after_s"]
        self._faults = ImageFaults(frozen_after_s, is_simulated=is_simulated)
        self._newest_fault = (ImageFault.NO_FAULT, 0)  # and the stamp of its image
        self._at_fault = Hysteresis(_FAULT_S, _FAULT_S)
        self._listener = Listener(
            self._node,
            *image_topic(self._node, self._camera),
            self._on_image,
            qos.sensor_data(),
            self.tally,
        )
        self._jumps = on_clock_jump(self._node, self._on_clock_jump)

    def stop(self) -> None:
        """Unsubscribe."""
        if self._jumps is not None:
            self._jumps.unregister()
        if self._listener is not None:
            self._listener.close()
        self._listener = self._jumps = None

    def close(self) -> None:
        """Destroy the publisher."""
        self._node.destroy_lifecycle_publisher(self._publisher)
        self._features.close()

    def set_pace(self, pace: Mapping[str, float]) -> None:
        """Change the rate and the gap; the stream starts anew."""
        self._gate = StampGate(**pace)
        self.wanted_hz = pace["rate_hz"]
        self._restart = True

    def set_frozen_after(self, seconds: float) -> None:
        """Change how long images are equal before they are frozen."""
        if self._listener is not None:
            self._faults.frozen_after_s = seconds

    def publish(self, embedded: ClipEmbeddings, frame_id: str, fault: ImageFault) -> None:
        """Publish the embeddings of a clip, if the camera is still listened to; in the worker.

        Args:
            embedded: what the model makes of the clip.
            frame_id: of its newest image.
            fault: of its newest image.
        """
        if self._listener is None:
            return
        if not embedded.is_finite:
            self.tally.warn("embeddings not finite", "the model gave values that are not finite")
            return
        header = Header(stamp=to_stamp(embedded.end_ns), frame_id=frame_id)
        window_start = to_stamp(embedded.start_ns)
        self._features.publish(embedded, header)
        self._seqs = {query: self._seqs.get(query, -1) + 1 for query in embedded.vectors}
        for query, vector in embedded.vectors.items():
            self._publisher.publish(
                Embedding(
                    header=header,
                    window_start=window_start,
                    space_id=self._space_id,
                    query=query,
                    normalized=True,
                    seq=self._seqs[query],
                    unfamiliarity=embedded.unfamiliarity,
                    image_fault=int(fault),
                    data=to_floats(vector),
                )
            )
        self._rate.tick()
        self._clips.add(embedded.end_ns)
        self._published_s = time.monotonic()
        self._age_ms = (self._now_ns() - embedded.end_ns) / _NS_PER_MS

    def values(self) -> dict[str, object]:
        """Return what a report says of this camera; rates are since the report before."""
        assert self._listener is not None, "only an active node asks"
        self.clips_hz = self._rate.read()
        values: dict[str, object] = {
            "topic": self._listener.topic,
            "images_hz": self._listener.rate.read(),
            "clips_hz": self.clips_hz,
            "wanted_hz": self.wanted_hz,
            "age_ms": self._age_ms,
            FRAME_SIZE: f"{self._size.width} x {self._size.height}",
        }
        return {self._named(key): value for key, value in values.items()}

    def silence(self) -> str:
        """Say why no image comes; empty if images come."""
        complaint = self._listener.complaint() if self._listener else ""
        return self._named(complaint) if complaint else ""

    def fault(self) -> str:
        """Say why images lead to no embedding, or to few; empty if all is well."""
        starved = time.monotonic() - self._published_s > SILENCE_S
        stamp_fault = self._find_stamp_fault(starved)
        cause = stamp_fault.value if stamp_fault else ""
        if starved:
            complaint = STARVED.told(cause or self._refusal or "no image was refused")
        elif cause:
            complaint = WRONG_STAMPS.told(cause)
        else:
            complaint = "; ".join(filter(None, [self._image_fault(), self._lag()]))
        return self._named(complaint) if complaint else ""

    def _image_fault(self) -> str:
        """Say what is wrong with the images themselves, and for how long."""
        (fault, stamp_ns), since_ns = self._newest_fault, self._at_fault.since_ns
        if not self._at_fault.is_on or since_ns is None or fault is ImageFault.NO_FAULT:
            return ""
        return IMAGE_FAULTS[fault].told(f"{(stamp_ns - since_ns) / _NS:.0f}")

    def _lag(self) -> str:
        """Say why fewer clips are embedded than wanted; empty if enough are."""
        sent_hz, arrived_hz = self._images.sent_hz, self._images.arrived_hz
        frames_hz, clips_hz = self._frames.arrived_hz, self._clips.arrived_hz
        wanted_hz = min(self._gate.rate_hz, sent_hz)
        enough_hz = _ENOUGH * wanted_hz
        starts = min(self._images.span_s, self._clips.span_s) < _START_UP_S
        if starts or clips_hz >= enough_hz:
            return ""
        if arrived_hz < enough_hz:
            return IMAGES_LOST.told(f"{arrived_hz:.1f}", f"{sent_hz:.1f}")
        if frames_hz < enough_hz and self._latest_refusal:
            return MANY_REFUSED.told(f"{1 - frames_hz / wanted_hz:.0%}", self._latest_refusal)
        replaced = 1 - clips_hz / max(frames_hz, clips_hz)
        return SLOW_MODEL.told(f"{clips_hz:.1f}", f"{wanted_hz:.1f}", f"{replaced:.0%}")

    def _find_stamp_fault(self, starved: bool) -> StampFault | None:
        """Return what is wrong with the stamps; log it the first time and count when it begins."""
        fault = self._gate.fault(tolerated=0.0) if starved else self._gate.fault()
        if fault is not None and fault is not self._stamp_fault:
            self.tally.warn(f"{STAMPS}: {fault.name.lower().replace('_', ' ')}", fault.value)
        self._stamp_fault = fault
        return fault

    # From a message to a frame, in the executor.

    def _on_image(self, message: Image | CompressedImage) -> None:
        stamp_ns = to_ns(message.header.stamp) or self._arrival_ns()
        if not self._is_due(stamp_ns):
            return
        try:
            image = to_rgb(message)
        except ImageError as error:
            self._refusal = self._latest_refusal = f"image refused: {error}"
            self.tally.warn(f"{IMAGES_REFUSED}: {error.cause}", self._refusal)
            return
        self._refusal = ""
        self._frames.add(stamp_ns)
        self._compare_source(message.header.frame_id, image.shape)
        height, width = self._size.height, self._size.width
        fitted = fit_frame(image, height=height, width=width, fit=self._fit)
        fault = self._find_image_fault(stamp_ns, fitted, image.shape)
        frame = Frame(stamp_ns, message.header.frame_id, fitted, self._restart, fault)
        self._restart = False
        self.on_frame(self._camera, frame)

    def _find_image_fault(
        self, stamp_ns: int, fitted: NDArray[np.uint8], shape: tuple[int, ...]
    ) -> ImageFault:
        """Return what is wrong with an image of a shape, from what the model sees of it."""
        if self._fit == LETTERBOX:  # its margins would pass for structure
            height, width = fitted.shape[:2]
            fitted = fitted[letterbox_area(shape[0], shape[1], height=height, width=width)]
        if self._restart:  # equal images before and after a gap are not frozen
            self._faults.clear()
            self._at_fault.clear()
        fault = self._faults.add(stamp_ns, fitted)
        self._at_fault.add(stamp_ns, fault is not ImageFault.NO_FAULT)
        if fault is not ImageFault.NO_FAULT or not self._at_fault.is_on:
            self._newest_fault = fault, stamp_ns
        return fault

    def _arrival_ns(self) -> int:
        self.tally.warn(IMAGES_WITHOUT_STAMP, "an image has no stamp: its arrival counts")
        return self._now_ns()

    def _is_due(self, stamp_ns: int) -> bool:
        admission = self._gate.admit(stamp_ns)
        self._images.add(stamp_ns)
        if admission not in (Admission.ACCEPTED, Admission.EARLY):
            self.tally.count(f"{STAMPS}: {admission.value}")
        self._restart |= admission.resets
        return admission.accepted

    def _compare_source(self, frame_id: str, shape: tuple[int, ...]) -> None:
        """Start anew if the images come from another camera or in another resolution."""
        source = (frame_id, shape)
        if self._source not in (None, source):
            self.tally.count("camera changes")
            self._restart = True
        self._source = source

    def _on_clock_jump(self) -> None:
        self._gate.reset()
        self._restart = True

    def _named(self, text: str) -> str:
        return f"{self._camera}: {text}" if self._camera else text

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
