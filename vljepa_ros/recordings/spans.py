# SPDX-License-Identifier: Apache-2.0
"""The images that the model sees of parts of a recording (:mod:`vljepa_ros.stream.sampling`).

However many parts are wanted, the recording is decoded once, from the first image that is needed
to the last. Only the images of parts that are not complete yet are kept, in the model's size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.stream.sampling import (
    LONE_IMAGE_S,
    Extent,
    live_times,
    middle_times,
    shown_at,
)

_FARTHEST = 1.5  # periods from the image that is wanted to the one that can be decoded


class SpanError(SourceError):
    """A part of a recording cannot be used; the message names it and says why.

    Attributes:
        cause: why, without the name.
    """

    def __init__(self, span: Span, cause: str) -> None:
        super().__init__(f"{span}: {cause}")
        self.cause = cause


SpanImages = tuple[Span, NDArray[np.uint8] | SpanError]
"""A span with its images, RGB (frames, height, width, 3), or why there are none."""


class _Part:
    """A span that is being read."""

    def __init__(self, span: Span, times: list[float]) -> None:
        self.times = times
        self.fault = ""
        self._span = span
        self._images: list[NDArray[np.uint8]] = []

    def put(self, image: NDArray[np.uint8]) -> Iterator[SpanImages]:
        """Take the image of the next time, and yield the span if that was its last."""
        self._images.append(image)
        if len(self._images) == len(self.times):
            images = np.stack(self._images)
            self._images = []
            yield self._span, SpanError(self._span, self.fault) if self.fault else images


def read_spans(
    source: Source,
    spans: Sequence[Span],
    *,
    frames: int,
    height: int,
    width: int,
    live_hz: float | None = None,
) -> Iterator[SpanImages]:
    """Yield each span with the images that the model sees of it, as soon as they are decoded.

    Args:
        source: a recording; its ``problems`` count what could not be read.
        spans: parts of it.
        frames: images of each part.
        height: rows of an image.
        width: columns of an image; the centre is cut out and scaled.
        live_hz: rate of a clip that ends with the span, as a robot sees it there; None spreads
            the images over the span.

    Raises:
        SourceError: the recording can no longer be read.
        ImageError: an image has a format that is not known.
    """
    first_ns, seconds = _times(source)
    extent = Extent(math.inf, LONE_IMAGE_S) if source.still else Extent.of(seconds)
    parts = []
    for span in dict.fromkeys(spans):
        try:
            start, end = extent.part(span.start, span.end)
        except ValueError as error:
            yield span, SpanError(span, str(error))
        else:
            if live_hz is None:
                due_s = middle_times(start, end, frames)
            else:
                # An image that begins where the part ends shows what comes after it.
                newest = max(start, end - extent.period / 2)
                due_s = live_times(newest, frames, live_hz)
            parts.append(_Part(span, due_s.tolist()))
    wanted = sorted(
        ((time, part) for part in parts for time in part.times), key=lambda one: one[0]
    )
    times = [time for time, _ in wanted]
    due = shown_at(zip(seconds, seconds, strict=True), times)
    images = _fitted(shown_at(_timed(source, first_ns, times), times), height, width)
    for (_, part), expected, (shown, image) in zip(wanted, due, images, strict=True):
        if abs(expected - shown) > _FARTHEST * extent.period:
            part.fault = f"the image at {expected:.3f} s cannot be decoded"
        yield from part.put(image)


def _times(source: Source) -> tuple[int, list[float]]:
    """Return the stamp of the first image, and the seconds from it to each."""
    stamps = source.stamps_ns()
    if not stamps:
        raise SourceError(f"{source.name} can no longer be read")
    return stamps[0], [(stamp - stamps[0]) / 1e9 for stamp in stamps]


def _timed(
    source: Source, first_ns: int, times: Sequence[float]
) -> Iterator[tuple[float, tuple[float, SourceFrame]]]:
    """Yield images with their times, from the one that is shown at the first of ``times`` on."""
    none = True
    for frame in source.frames(times[0]) if times else ():
        none = False
        seconds = (frame.stamp_ns - first_ns) / 1e9
        yield seconds, (seconds, frame)
    if none and times:
        raise SourceError(f"{source.name} can no longer be read")


def _fitted(
    images: Iterator[tuple[float, SourceFrame]], height: int, width: int
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield images in the model's size, each computed once however often it is shown."""
    newest: SourceFrame | None = None
    for seconds, frame in images:
        if frame is not newest:
            newest = frame
            image = fit_frame(rgb_pixels(frame), height=height, width=width).copy()
        yield seconds, image
