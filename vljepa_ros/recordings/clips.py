# SPDX-License-Identifier: Apache-2.0
"""Clips out of a source as the nodes see them: cut by the clip window, one after the other.

Nodes see a stream, which has neither beginning nor end. Which images the model sees of a clip that
has both is told by :mod:`vljepa_ros.recordings.spans`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.preprocess import fit_frame


class ShortSourceError(SourceError):
    """A source ends before its first clip is complete."""


def read_clips(
    source: Source, *, count: int, frames: int, rate_hz: float, height: int, width: int
) -> NDArray[np.uint8]:
    """Return at most ``count`` clips that share no frame, RGB (n, frames, height, width, 3).

    Args:
        source: a recording.
        count: clips wanted; a short recording gives fewer.
        frames: images of a clip.
        rate_hz: their rate.
        height: rows of an image.
        width: columns of an image.

    Raises:
        ShortSourceError: the source ends before its first clip is complete.
        SourceError: the source cannot be read.
        ImageError: an image has a format that is not known.
    """
    window = ClipWindow(frames, rate_hz)
    clips: list[NDArray[np.uint8]] = []
    for frame in source.frames():
        if len(clips) == count:
            break
        image = rgb_pixels(frame)
        window.push(frame.stamp_ns, fit_frame(image, height=height, width=width).copy())
        if (clip := window.clip()) is not None:
            clips.append(np.stack(clip.frames))
            window.clear()
    if not clips:
        seconds = (frames - 1) / rate_hz
        raise ShortSourceError(f"{source.name} is shorter than one clip of {seconds:.1f} s")
    return np.stack(clips)
