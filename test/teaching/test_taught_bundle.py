# SPDX-License-Identifier: Apache-2.0
"""Which clips of the lessons the graphs of a taught bundle are compared on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="teaching trains the model")

from vljepa_ros.model.presets import DEFAULT, DEFAULT_STREAMING
from vljepa_ros.teaching.taught_bundle import some_clips
from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording

CLIP = replace(DEFAULT, clip_frames=4, clip_rate_hz=5.0)
MEMORY = replace(DEFAULT_STREAMING, clip_frames=8, clip_rate_hz=5.0)


def recording(first: int, images: int) -> TaughtRecording:
    """A recording at 10 Hz whose images are told apart by their grey."""
    frames = np.arange(first, first + images, dtype=np.uint8)[:, None, None, None]
    frames = np.broadcast_to(frames, (images, 2, 2, 3))
    return TaughtRecording("r", "g", np.arange(images) / 10, frames, {})


def greys(clips: list[np.ndarray]) -> list[list[int]]:
    return [clip[:, 0, 0, 0].tolist() for clip in clips]


def test_each_recording_gives_one_clip_before_any_gives_two() -> None:
    lessons = Lessons({}, {}, (recording(0, 40), recording(100, 8)))
    first, other, second = greys(some_clips(lessons, CLIP, 3))
    assert min(other) >= 100 > max(second)
    assert first[-1] < second[0], "they share a frame"


def test_recordings_give_all_they_have_if_more_is_wanted() -> None:
    short = 4  # images; a clip spans 0.6 s
    lessons = Lessons({}, {}, (recording(0, 15), recording(100, short)))
    found = greys(some_clips(lessons, CLIP, 32))
    assert len(found) == 2 and max(map(max, found)) < 15


def test_the_first_image_fills_a_memory_that_a_recording_does_not() -> None:
    lessons = Lessons({}, {}, (recording(100, 5),))
    assert greys(some_clips(lessons, MEMORY, 32)) == [[100] * 6 + [102, 104]]


def test_a_recording_that_fills_a_memory_gives_whole_clips_only() -> None:
    lessons = Lessons({}, {}, (recording(0, 35),))
    found = greys(some_clips(lessons, MEMORY, 32))
    assert len(found) == 2
    assert all(len(set(clip)) == MEMORY.clip_frames for clip in found)
