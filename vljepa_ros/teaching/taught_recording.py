# SPDX-License-Identifier: Apache-2.0
"""Labelled recordings as a model sees them: its stream's images, and what is true at each of them.

A clip of the model ends at an image and reaches back in time; it has the label of that image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1


@dataclass(frozen=True)
class TaughtRecording:
    """The images of one recording at the rate of the model's stream, and their labels.

    Attributes:
        name: what reports call it.
        group: recordings of one group (a session, a room, a day) are never split between what
            is taught and what is held out.
        stamps_s: float64 (n), seconds from the first image of the recording.
        frames: uint8 RGB (n, height, width, 3), of the model's size.
        labels: int32 (n) by name of the query: number of the text that is true at each image, or
            ``UNLABELLED``.
    """

    name: str
    group: str
    stamps_s: NDArray[np.float64]
    frames: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Lessons:
    """Recordings and the texts that their labels number.

    Attributes:
        questions: text of each query by its name.
        texts: the texts of each query, by the same names.
        recordings: one after the other.
    """

    questions: Mapping[str, str]
    texts: Mapping[str, tuple[str, ...]]
    recordings: tuple[TaughtRecording, ...]
