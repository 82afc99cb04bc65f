# SPDX-License-Identifier: Apache-2.0
"""The clips of a recording as a robot sees them: one ends at every image of the model's stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source
from vljepa_ros.recordings.spans import SpanError
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.sampling import LONE_IMAGE_S, ROUNDING_S, Extent
from vljepa_ros.stream.stamp_gate import StampGate

_MAX_GAP_S = 1.0  # after which the embedder's stream begins anew, by default
_NS = 1_000_000_000

Features = Sequence[NDArray[Any]]
"""What :meth:`VLJepa.encode_frames` makes of each frame of a clip, oldest first."""


@dataclass(frozen=True)
class StreamClip(Span):
    """A clip of a stream that ends within a span; ``start`` and ``end`` are those of the clip.

    Attributes:
        within: the span.
    """

    within: Span = field(default_factory=lambda: Span(""))

    def __str__(self) -> str:
        """Return the clip's name and the moment at which it ends."""
        return f"{f'{self.clip} {self.topic}'.rstrip()} [at {self.end:.3f} s]"


def stream_clips(
    source: Source, spans: Sequence[Span], model: VLJepa
) -> Iterator[tuple[StreamClip, Features] | tuple[Span, SpanError]]:
    """Yield each clip that ends within a span, for each such span, and spans without any.

    Args:
        source: a recording.
        spans: parts of it.
        model: encodes each image once.

    Raises:
        SourceError: the recording can no longer be read.
        ImageError: an image has a format that is not known.
        BackendError: the model failed.
    """
    waiting: dict[Span, tuple[float, float]] = {}
    for span in dict.fromkeys(spans):
        try:
            waiting[span] = _extent(source).part(span.start, span.end)
        except ValueError as error:
            yield span, SpanError(span, str(error))
    ended_in: set[Span] = set()
    for start, end, features in _clips(source, model):
        for span, (begin, after) in waiting.items():
            if begin - ROUNDING_S <= end < after - ROUNDING_S:
                ended_in.add(span)
                yield StreamClip(span.clip, start, end, span.topic, span), features
    shape = model.bundle.clip
    length = (shape.frames - 1) / shape.rate_hz
    for span in waiting.keys() - ended_in:
        yield span, SpanError(span, f"no clip of {length:g} s ends in it")


def _extent(source: Source) -> Extent:
    stamps = source.stamps_ns()
    if source.still or not stamps:
        return Extent(LONE_IMAGE_S, LONE_IMAGE_S)
    return Extent.of([(stamp - stamps[0]) / _NS for stamp in stamps])


def _clips(source: Source, model: VLJepa) -> Iterator[tuple[float, float, Features]]:
    """Yield the seconds at which a clip begins and ends, and its features."""
    bundle = model.bundle
    gate = StampGate(bundle.stream_rate_hz, _MAX_GAP_S)
    window = ClipWindow(bundle.clip.frames, bundle.clip.rate_hz)
    first_ns: int | None = None
    for frame in source.frames():
        first_ns = frame.stamp_ns if first_ns is None else first_ns
        admission = gate.admit(frame.stamp_ns)
        if not admission.accepted:
            continue
        if admission.resets:
            window.clear()
        window.push(frame.stamp_ns, np.asarray(model.encode_frame(rgb_pixels(frame))))
        if (clip := bundle.clip_in(window)) is not None:
            start, end = ((ns - first_ns) / _NS for ns in (clip.start_ns, clip.end_ns))
            yield start, end, clip.frames
