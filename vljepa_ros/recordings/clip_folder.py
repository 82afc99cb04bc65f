# SPDX-License-Identifier: Apache-2.0
"""Samples from a folder of clips, annotated in ``annotations.jsonl``.

A clip is anything that :mod:`vljepa_ros.recordings.open_clip` opens. The lines are those of
:mod:`vljepa_ros.recordings.annotations` with an ``answer``.
"""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.recordings.annotations import read_answers
from vljepa_ros.recordings.sample import Sample

ANNOTATIONS = "annotations.jsonl"


class ClipFolder:
    """The samples of a folder."""

    def __init__(self, folder: Path) -> None:
        """Read the annotations; the clips are opened when they are needed.

        Raises:
            AnnotationError: a line cannot be used, or there is none.
            OSError: the file cannot be read.
        """
        self._folder = folder
        self._annotations = read_answers(folder / ANNOTATIONS)

    def __len__(self) -> int:
        return len(self._annotations)

    def __getitem__(self, number: int) -> Sample:
        annotation = self._annotations[number]
        span = annotation.span
        path = self._folder / span.clip
        key = f"{path.resolve()} {span.topic} {span.start} {span.end}"
        return Sample(key, path, path.suffix.lower(), annotation)
