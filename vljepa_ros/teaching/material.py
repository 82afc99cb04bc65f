# SPDX-License-Identifier: Apache-2.0
"""What is taught and what is held out, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from vljepa_ros.teaching.hold_out import SplitLessons
from vljepa_ros.teaching.label_row import Footage, LabelFault
from vljepa_ros.teaching.query_figures import image_seconds
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording
from vljepa_ros.teaching.teaching_report import (
    CHECKED,
    HELD_OUT,
    TAUGHT,
    TaughtPart,
)


@dataclass(frozen=True)
class Material:
    """Lessons that are split.

    Attributes:
        split: the user's recordings.
        recordings: all recordings; those that are only kept come last.
        measured: how many of them are split, and not only kept.
        footage: of each recording, in the same order.
        faults: labels that were left out.
    """

    split: SplitLessons
    recordings: tuple[TaughtRecording, ...]
    measured: int
    footage: tuple[Footage, ...]
    faults: tuple[LabelFault, ...]

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
            seconds = float(one.stamps_s[-1] - one.stamps_s[0])
            path = str(footage.path.resolve())
            yield TaughtPart(
                one.name, one.group, seconds, roles.get(one.name, TAUGHT), path, footage.topic
            )

    def labelled_s(self) -> float:
        """Return for how many seconds at least one query has a label."""
        total = 0.0
        for one in self.recordings:
            known = [labels != UNLABELLED for labels in one.labels.values()]
            total += float(np.any(known, axis=0).sum()) * image_seconds(one)
        return total
