# SPDX-License-Identifier: Apache-2.0
"""From image messages to the frames that the model is to see, in the callback of the subscription.

The stamp decides first, so a frame that is not due costs no decoding. What is due is decoded and
shrunk at once: only small frames wait for the model, never whole messages.
"""

from __future__ import annotations

from collections.abc import Callable

from sensor_msgs.msg import CompressedImage, Image

from vljepa_ros.nodes.common.conversions import to_ns, to_rgb
from vljepa_ros.nodes.common.diagnostics import Tally
from vljepa_ros.runtime.bundle import FrameSize
from vljepa_ros.stream.frame import Frame
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.stream.stamp_gate import Admission, StampGate


class ImageIntake:
    """Turns messages into frames, for one thread."""

    def __init__(
        self,
        *,
        rate_hz: float,
        max_gap_s: float,
        size: FrameSize,
        tally: Tally,
        now_ns: Callable[[], int],
    ) -> None:
        """Start a stream.

        Args:
            rate_hz: highest rate of frames.
            max_gap_s: gap in seconds after which a stream starts anew.
            size: size of the frames.
            tally: counts what is left out, and why.
            now_ns: the node's time, for images without a stamp.
        """
        self._size = size
        self._tally = tally
        self._now_ns = now_ns
        self._source: tuple[str, tuple[int, ...]] | None = None
        self.set_pace(rate_hz, max_gap_s)

    def set_pace(self, rate_hz: float, max_gap_s: float) -> None:
        """Change the rate and the gap; the stream starts anew."""
        self._gate = StampGate(rate_hz, max_gap_s)
        self._restart = True

    def restart(self) -> None:
        """Start the stream anew, for instance because the clock was set back."""
        self._gate.reset()
        self._restart = True

    def take(self, message: Image | CompressedImage) -> Frame | None:
        """Return the message as a frame, or None where it is not due or cannot be used."""
        stamp_ns = to_ns(message.header.stamp) or self._arrival_ns()
        if not self._is_due(stamp_ns):
            return None
        try:
            image = to_rgb(message)
        except ImageError as error:
            self._tally.warn(f"images refused: {error.cause}", f"image refused: {error}")
            return None
        self._watch_source(message.header.frame_id, image.shape)
        fitted = fit_frame(image, height=self._size.height, width=self._size.width)
        frame = Frame(stamp_ns, message.header.frame_id, fitted, self._restart)
        self._restart = False
        return frame

    def _arrival_ns(self) -> int:
        self._tally.warn("images without stamp", "an image has no stamp: its arrival counts")
        return self._now_ns()

    def _is_due(self, stamp_ns: int) -> bool:
        admission = self._gate.admit(stamp_ns)
        if admission not in (Admission.ACCEPTED, Admission.EARLY):
            self._tally.count(f"stamps: {admission.value}")
        self._restart |= admission.resets
        return admission.accepted

    def _watch_source(self, frame_id: str, shape: tuple[int, ...]) -> None:
        """Start anew when another camera or resolution shows up."""
        source = (frame_id, shape)
        if self._source not in (None, source):
            self._tally.count("camera changes")
            self._restart = True
        self._source = source
