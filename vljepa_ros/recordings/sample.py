# SPDX-License-Identifier: Apache-2.0
"""A training sample: a clip, what is asked about it, and the answer."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recordings.annotations import Answered
from vljepa_ros.recordings.open_clip import opened_bytes, opened_clip
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.spans import SpanError, read_spans
from vljepa_ros.stream.images import ImageError

DESCRIBE = "Describe this video."  # what a sample without a query is asked


class SampleError(ValueError):
    """A sample cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Sample:
    """An annotated clip.

    Attributes:
        key: tells samples of all data sets apart.
        media: a file or folder, or the content of a file.
        kind: ending of the file's name, in small letters: ``.mp4``.
        annotation: the part of the clip, and what is known about it.
    """

    key: str
    media: Path | bytes
    kind: str
    annotation: Answered


class ClipDataset(Protocol):
    """Samples by number."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, number: int) -> Sample:
        """Return a sample.

        Raises:
            SampleError: it cannot be used.
        """


def decode(sample: Sample, frames: int, pixels: int) -> NDArray[np.uint8]:
    """Return the images that the model sees of a sample.

    Args:
        sample: a sample of any data set.
        frames: how many images (:mod:`vljepa_ros.stream.sampling` says which).
        pixels: rows and columns of an image; the centre is cut out.

    Returns:
        RGB (frames, pixels, pixels, 3).

    Raises:
        SampleError: the clip cannot be decoded or is shorter than its annotation says.
    """
    span = sample.annotation.span
    try:
        with _opened(sample) as source:
            parts = read_spans(source, [span], frames=frames, height=pixels, width=pixels)
            ((_, images),) = parts
    except (SourceError, ImageError) as error:
        raise SampleError(f"{sample.key} cannot be decoded: {error}") from error
    if isinstance(images, SpanError):
        raise SampleError(f"{sample.key} cannot be used: {images}")
    return images


def _opened(sample: Sample) -> AbstractContextManager[Source]:
    media, span = sample.media, sample.annotation.span
    if isinstance(media, bytes):
        return opened_bytes(media, sample.kind, sample.key, span.topic)
    return opened_clip(media, span.topic)
