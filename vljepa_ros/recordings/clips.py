# SPDX-License-Identifier: Apache-2.0
"""Clips out of a source, cut by time as the nodes cut them, one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.stream.clip_window import ClipWindow
from vljepa_ros.stream.images import decode_image
from vljepa_ros.stream.preprocess import fit_frame


def read_clips(
    source: Source, *, count: int, frames: int, rate_hz: float, height: int, width: int
) -> NDArray[np.uint8]:
    """Return at most ``count`` clips that share no frame, RGB (n, frames, height, width, 3).

    Raises:
        SourceError: the source ends before its first clip is complete.
        ImageError: an image has a format that is not known.
    """
    window = ClipWindow(frames, rate_hz)
    clips: list[NDArray[np.uint8]] = []
    for frame in source.frames():
        if len(clips) == count:
            break
        image = decode_image(
            encoding=frame.encoding,
            width=frame.width,
            height=frame.height,
            step=frame.step,
            is_bigendian=frame.is_bigendian,
            data=frame.data,
        )
        window.push(frame.stamp_ns, fit_frame(image, height=height, width=width).copy())
        if (clip := window.clip()) is not None:
            clips.append(np.stack(clip.frames))
            window.clear()
    if not clips:
        seconds = (frames - 1) / rate_hz
        raise SourceError(f"{source.name} is shorter than one clip of {seconds:.1f} s")
    return np.stack(clips)
