# SPDX-License-Identifier: Apache-2.0
"""Frames spread evenly over a video (paper section 3.1), in the model's size; images likewise."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from vljepa_ros.stream.preprocess import fit_frame
from vljepa_ros.training.sample import Sample, SampleError

IMAGES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
VIDEOS = {".mp4", ".webm", ".mkv", ".avi", ".mov"}


def decode(sample: Sample, frames: int, pixels: int) -> NDArray[np.uint8]:
    """Return RGB frames (frames, pixels, pixels, 3), centre-cropped; an image is repeated.

    Each frame is the one shown in the middle of an equal part of the clip.

    Raises:
        SampleError: the clip cannot be decoded or is shorter than its annotation says.
    """
    if sample.kind in IMAGES:
        fitted = fit_frame(_image(sample), height=pixels, width=pixels)
        return np.repeat(fitted[None], frames, 0)
    try:
        source = io.BytesIO(sample.media) if isinstance(sample.media, bytes) else sample.media
        with av.open(source) as container:
            images = list(_chosen(container, sample, frames, pixels))
    except (av.FFmpegError, OSError, IndexError) as error:  # no video stream: IndexError
        raise SampleError(f"{sample.key} cannot be decoded: {error}") from error
    if len(images) < frames:
        raise SampleError(f"{sample.key} ends before its annotation does, or is damaged")
    return np.stack(images)


def _image(sample: Sample) -> NDArray[np.uint8]:
    content = sample.media if isinstance(sample.media, bytes) else _content(sample)
    encoded = np.frombuffer(content, np.uint8)
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if len(encoded) else None
    if image is None:
        raise SampleError(f"{sample.key} is no image that OpenCV can decode")
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8, copy=False)


def _content(sample: Sample) -> bytes:
    assert not isinstance(sample.media, bytes)
    try:
        return sample.media.read_bytes()
    except OSError as error:
        raise SampleError(f"{sample.key} cannot be read: {error}") from error


def _chosen(
    container: Any, sample: Sample, frames: int, pixels: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames shown at the times that are wanted, decoding no further than needed."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    start = sample.annotation.start
    end = min(sample.annotation.end, _duration(container, stream))
    if not start < end < math.inf:
        raise SampleError(f"{sample.key} has no known length after {start:g} s: give its 'end'")
    wanted = [start + (number + 0.5) * (end - start) / frames for number in range(frames)]
    shown = None
    for time, frame in _timed(container, stream, start):
        while wanted and shown is not None and time > wanted[0]:
            yield _fitted(shown, pixels)
            wanted.pop(0)
        if not wanted:
            return
        shown = frame
    if shown is not None and time + 1.5 * _period(stream) >= wanted[-1]:  # the last stays on
        for _ in wanted:
            yield _fitted(shown, pixels)


def _timed(container: Any, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
    """Yield frames with their seconds from the first, from the key frame before ``start``."""
    first = float((stream.start_time or 0) * stream.time_base)
    if start > 0:
        container.seek(int((start + first) / stream.time_base), stream=stream)
    for frame in container.decode(stream):
        if frame.time is not None:
            yield frame.time - first, frame


def _duration(container: Any, stream: Any) -> float:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return math.inf if container.duration is None else container.duration / av.time_base


def _period(stream: Any) -> float:
    """Return the seconds for which a frame is shown."""
    return 1 / float(stream.average_rate or 25)


def _fitted(frame: Any, pixels: int) -> NDArray[np.uint8]:
    return fit_frame(frame.to_ndarray(format="rgb24"), height=pixels, width=pixels)
