# SPDX-License-Identifier: Apache-2.0
"""What is taught and what is held out, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vljepa_ros.recordings.source import SourceError
from vljepa_ros.teaching.hold_out import SplitLessons
from vljepa_ros.teaching.label_lerobot import is_lerobot
from vljepa_ros.teaching.label_row import Footage
from vljepa_ros.teaching.lessons import Seen, stream_frames
from vljepa_ros.teaching.query_figures import image_seconds
from vljepa_ros.teaching.recordings_folder import RecordingsFolder
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording
from vljepa_ros.teaching.teaching_report import (
    CHECKED,
    HELD_OUT,
    TAUGHT,
    TaughtPart,
)

MOST_UNLABELLED = 5
"""Recordings without labels that are looked at, at most."""


@dataclass(frozen=True)
class Material:
    """Lessons that are split.

    Attributes:
        split: the user's recordings.
        recordings: all recordings; those that are only kept come last.
        measured: how many of them are split, and not only kept.
        footage: of each recording, in the same order.
        notes: what a person should know of it, such as labels that were left out.
    """

    split: SplitLessons
    recordings: tuple[TaughtRecording, ...]
    measured: int
    footage: tuple[Footage, ...]
    notes: tuple[str, ...]

    @property
    def taught(self) -> Lessons:
        """All that is taught: what is not held out, and what is kept."""
        taught = self.split.taught
        kept = self.recordings[self.measured :]
        return replace(taught, recordings=(*taught.recordings, *kept))

    def parts(self) -> Iterator[TaughtPart]:
        """Yield the recordings as a report names them."""
        roles = {one.name: HELD_OUT for one in self.split.held_out.recordings}
        roles |= {one.name: CHECKED for one in self.split.checked.recordings}
        for one, footage in zip(self.recordings, self.footage, strict=True):
            yield part_of(one, footage, roles.get(one.name, TAUGHT))

    def labelled_s(self) -> float:
        """Return for how many seconds at least one query has a label."""
        total = 0.0
        for one in self.recordings:
            known = [labels != UNLABELLED for labels in one.labels.values()]
            total += float(np.any(known, axis=0).sum()) * image_seconds(one)
        return total


def part_of(recording: TaughtRecording, footage: Footage, role: str) -> TaughtPart:
    """Return a recording as a report names it."""
    seconds = float(recording.stamps_s[-1] - recording.stamps_s[0])
    path = str(footage.path.resolve())
    return TaughtPart(recording.name, recording.group, seconds, role, path, footage.topic)


def unlabelled(
    folder: Path, labelled: Sequence[Footage], seen: Seen, work: Path
) -> list[tuple[TaughtRecording, Footage]]:
    """Return a few recordings that nobody labelled, in which there may be something new.

    Args:
        folder: of all recordings.
        labelled: those that have labels.
        seen: what is kept of an image, and how many.
        work: folder of what is kept for the next run.
    """
    known = {footage.path.resolve() for footage in labelled}
    others = [
        path
        for path in RecordingsFolder(folder).all()
        # the other cameras of a LeRobot dataset show what is labelled
        if path.resolve() not in known and not any(map(is_lerobot, path.parents))
    ]
    chosen = others[:: max(1, -(-len(others) // MOST_UNLABELLED))]
    found = []
    for path in chosen:
        footage = Footage(path)
        try:
            stamps, frames = stream_frames(footage, seen, work / "frames")
        except SourceError:
            continue  # nothing was promised about it
        name = path.relative_to(folder).as_posix()
        found.append((TaughtRecording(name, name, stamps, frames, {}), footage))
    return found
