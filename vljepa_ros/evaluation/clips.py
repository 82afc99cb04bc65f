# SPDX-License-Identifier: Apache-2.0
"""The images of parts of a clip, spread evenly over each part.

A clip is whatever :mod:`vljepa_ros.recordings` opens by its path: a video, a folder of images or a
bag. It is decoded twice, once to count the images of every part and once to keep the few that the
model looks at, in the model's size. So a long video needs no more memory than a short one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Span
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import Source, SourceFrame
from vljepa_ros.runtime.bundle import Bundle, FrameSize
from vljepa_ros.runtime.tasks import sample_uniformly
from vljepa_ros.stream.images import decode_image
from vljepa_ros.stream.preprocess import fit_frame

_Images = list[NDArray[np.uint8]]


@dataclass(frozen=True)
class ClipImages:
    """RGB images of the model's size for each span that has any, and what could not be read."""

    images: dict[Span, _Images]
    problems: Counter[str]


def read_clip(path: Path, spans: Sequence[Span], bundle: Bundle) -> ClipImages:
    """Read as many images of each span as the model takes, or all of a span that has fewer.

    Args:
        path: a video, a folder of images or a bag.
        spans: at least one part of it.
        bundle: says the number of images and their size.

    Raises:
        SourceError: the clip cannot be opened.
        ImageError: an image has a format that is not known.
    """
    with open_source(str(path.absolute())) as source:
        seconds = _times(source, max(span.end for span in spans))
        problems = source.problems.copy()
        chosen = {span: _choose(seconds, span, bundle.clip.frames) for span in spans}
        wanted = {index for indices in chosen.values() for index in indices}
        images = _images(source, wanted, bundle.frame)
    complete = {
        span: [images[index] for index in indices] for span, indices in chosen.items() if indices
    }
    return ClipImages(complete, problems)


def _times(source: Source, end: float) -> NDArray[np.float64]:
    """Return the seconds from the first image to each image that is not after ``end``."""
    seconds: list[float] = []
    first_ns = None
    for frame in source.frames():
        first_ns = frame.stamp_ns if first_ns is None else first_ns
        seconds.append((frame.stamp_ns - first_ns) / 1e9)
        if seconds[-1] > end:
            break
    return np.array(seconds)


def _choose(seconds: NDArray[np.float64], span: Span, frames: int) -> list[int]:
    inside = np.flatnonzero((seconds >= span.start) & (seconds <= span.end))
    if not len(inside):
        return []
    return [int(inside[i]) for i in sample_uniformly(len(inside), min(frames, len(inside)))]


def _images(source: Source, wanted: set[int], size: FrameSize) -> dict[int, NDArray[np.uint8]]:
    last = max(wanted, default=-math.inf)
    images = {}
    for index, frame in enumerate(source.frames()):
        if index > last:
            break
        if index in wanted:
            images[index] = fit_frame(_rgb(frame), height=size.height, width=size.width)
    return images


def _rgb(frame: SourceFrame) -> NDArray[np.uint8]:
    return decode_image(
        encoding=frame.encoding,
        width=frame.width,
        height=frame.height,
        step=frame.step,
        is_bigendian=frame.is_bigendian,
        data=frame.data,
    )
