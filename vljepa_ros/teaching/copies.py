# SPDX-License-Identifier: Apache-2.0
"""The same recording under two names: one of them would tell what the other is measured on."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from vljepa_ros.teaching.taught_recording import Lessons, TaughtRecording


def copies_together(lessons: Lessons) -> tuple[Lessons, tuple[str, ...]]:
    """Put recordings that show the same images into one group.

    Args:
        lessons: recordings of any groups.

    Returns:
        The same lessons in which a copy has the group of the recording that it is a copy of, and
        a sentence for each copy.
    """
    first: dict[str, TaughtRecording] = {}
    recordings, notes = [], []
    for one in lessons.recordings:
        original = first.setdefault(_shown(one), one)
        if original is not one:
            notes.append(
                f"{one.name} shows the same images as {original.name}: "
                "both are taught, or both are held out"
            )
        recordings.append(replace(one, group=original.group))
    return replace(lessons, recordings=tuple(recordings)), tuple(notes)


def _shown(recording: TaughtRecording) -> str:
    return hashlib.blake2b(np.ascontiguousarray(recording.frames).data).hexdigest()
