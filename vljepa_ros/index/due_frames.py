# SPDX-License-Identifier: Apache-2.0
"""The frames of a recording that a robot's embedder would look at, in the model's size."""

from __future__ import annotations

from collections.abc import Iterator

from vljepa_ros.index.thumbnails import Thumbnails
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.clip_embedder import Frame
from vljepa_ros.stream.image_faults import ImageFaults
from vljepa_ros.stream.images import ImageError
from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.stream.stamp_gate import StampGate

MAX_GAP_S = 1.0  # the embedder's default


class DueFrames:
    """Reads a recording once, as the embedder's callback would receive it.

    Attributes:
        images: how many were read so far.
        start_ns: stamp of the first image.
        end_ns: stamp of the newest image.
        frame_id: of the camera; "" if it is not known.
    """

    def __init__(self, source: Source, bundle: Bundle, thumbnails: Thumbnails) -> None:
        """Begin before the first image; ``thumbnails`` gets pictures of what is due."""
        self.images = self.start_ns = self.end_ns = 0
        self.frame_id = ""
        self._source, self._size, self._thumbnails = source, bundle.frame, thumbnails
        self._gate = StampGate(bundle.stream_rate_hz, MAX_GAP_S)
        self._faults = ImageFaults()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; images that cannot be decoded are counted among the problems.

        Raises:
            SourceError: the recording can no longer be read.
        """
        restart, camera = True, None
        for image in self._source.frames():
            self._count(image.stamp_ns, image.frame_id)
            admission = self._gate.admit(image.stamp_ns)
            restart |= admission.resets
            if not admission.accepted:
                continue
            try:
                pixels = rgb_pixels(image)
            except ImageError as error:
                self._source.problems[f"image cannot be decoded ({error.cause})"] += 1
                continue
            restart |= camera not in (None, (image.frame_id, pixels.shape))
            camera = (image.frame_id, pixels.shape)  # another resolution is another camera
            self._thumbnails.add(image.stamp_ns, pixels)
            size = self._size
            fitted = fit_frame(pixels, height=size.height, width=size.width).copy()
            if restart:
                self._faults.clear()
            fault = self._faults.add(image.stamp_ns, fitted)
            yield Frame(image.stamp_ns, image.frame_id, fitted, restart, fault)
            restart = False

    def _count(self, stamp_ns: int, frame_id: str) -> None:
        if not self.images:
            self.start_ns, self.frame_id = stamp_ns, frame_id
        self.images += 1
        self.end_ns = stamp_ns
