# SPDX-License-Identifier: Apache-2.0
"""Samples from a folder of videos and images, annotated in ``annotations.jsonl``.

One JSON object per line: ``{"clip": "a.mp4", "start": 1.0, "end": 3.0, "query": "What is done?",
"answer": "closing the drawer"}``. Times, in seconds from the first image, and the query are
optional.
"""

from __future__ import annotations

from pathlib import Path

from vljepa_ros.recordings.annotations import read_lines, span_of
from vljepa_ros.training.sample import Annotation, Sample

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
        self._samples = read_lines(
            folder / ANNOTATIONS, lambda line: (span_of(line).clip, Annotation.of(line))
        )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number: int) -> Sample:
        clip, annotation = self._samples[number]
        path = self._folder / clip
        key = f"{path.resolve()} {annotation.start} {annotation.end}"
        return Sample(key, path, path.suffix.lower(), annotation)
