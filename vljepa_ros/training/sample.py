# SPDX-License-Identifier: Apache-2.0
"""A training sample: a clip, what is asked about it, and the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vljepa_ros.recordings.annotations import Fields, text_of, times_of

DESCRIBE = "Describe this video."  # what a sample without a query is asked


class SampleError(ValueError):
    """A sample cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Annotation:
    """What is known about a clip: the part of it in seconds, a query ("" is none), an answer."""

    answer: str
    query: str = ""
    start: float = 0.0
    end: float = math.inf

    @staticmethod
    def of(fields: Fields) -> Annotation:
        """Read the fields of a JSON object; others than ours are left alone.

        Raises:
            ValueError: there is no answer, or a field is not what it should be.
        """
        query = "" if fields.get("query") is None else text_of(fields, "query")
        return Annotation(text_of(fields, "answer"), query, *times_of(fields))


@dataclass(frozen=True)
class Sample:
    """An annotated video or image, which is a file or the bytes of one.

    :param key: tells samples of all sources apart.
    :param kind: ending of its file name, in small letters: ``.mp4``.
    """

    key: str
    media: Path | bytes
    kind: str
    annotation: Annotation


class ClipDataset(Protocol):
    """Samples by number."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, number: int) -> Sample:
        """Return a sample.

        Raises:
            SampleError: it cannot be used.
        """
