# SPDX-License-Identifier: Apache-2.0
"""Clips are cut by time, share no frame, and have the model's size."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from vljepa_ros.recordings.clips import read_clips
from vljepa_ros.recordings.pixels import pixel_frame
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame


class Counting(Source):
    """Images of 24 x 32 pixels at 10 Hz; the red of each is its number."""

    def __init__(self, count: int) -> None:
        super().__init__("a source that counts")
        self._count = count

    def _images(self) -> Iterator[SourceFrame]:
        image = np.zeros((24, 32, 3), np.uint8)  # the same memory for every frame
        for number in range(self._count):
            image[:] = (number, 0, 200)
            yield pixel_frame(image, "rgb8", number * 10**8)


def numbers(source: Source, count: int, rate_hz: float) -> list[list[int]]:
    clips = read_clips(source, count=count, frames=4, rate_hz=rate_hz, height=16, width=16)
    assert clips.shape[1:] == (4, 16, 16, 3)
    assert (clips[..., 1:] == (0, 200)).all()
    return [[int(frame[0, 0, 0]) for frame in clip] for clip in clips]


def test_clips_follow_each_other_at_their_rate() -> None:
    """As in the nodes, a clip may lack half a period at its old end."""
    assert numbers(Counting(99), 3, 5.0) == [[0, 1, 3, 5], [6, 7, 9, 11], [12, 13, 15, 17]]


def test_a_source_may_end_before_all_clips_are_complete() -> None:
    assert numbers(Counting(13), 3, 5.0) == [[0, 1, 3, 5], [6, 7, 9, 11]]


def test_a_source_that_is_shorter_than_a_clip_is_refused() -> None:
    with pytest.raises(SourceError, match="a source that counts is shorter than one clip of 0.6"):
        numbers(Counting(3), 3, 5.0)
