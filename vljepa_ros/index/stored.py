# SPDX-License-Identifier: Apache-2.0
"""What a store holds, as plain objects. Times are nanoseconds on the recording's own time line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredRecording:
    """One image topic of a recording that was indexed to its end.

    Attributes:
        id: names it in the store and in file names; the same whenever it is indexed.
        path: the recording, absolute.
        topic: image topic of a bag; "" for videos and folders.
        run: tells the rows of this indexing from those of others.
        fingerprint: size and times of the files; another one means that they changed.
        space_id: of its vectors.
        dimension: of its vectors.
        model: name and version of the bundle.
        queries: text by name, in the order in which they were asked.
        frame_id: of the camera; "" if it is not known.
        start_ns: stamp of the first image.
        end_ns: stamp of the last image.
        images: how many were read.
        ticks: clips that were embedded.
        segments: how many there are, of all queries.
        problems: what could not be read, for people; "" if all could.
        indexed_ns: when that was, since 1970.
    """

    id: str
    path: str
    topic: str
    run: str
    fingerprint: str
    space_id: str
    dimension: int
    model: str
    queries: Mapping[str, str]
    frame_id: str
    start_ns: int
    end_ns: int
    images: int
    ticks: int
    segments: int
    problems: str
    indexed_ns: int

    @property
    def duration_s(self) -> float:
        """Seconds from the first image to the last."""
        return self.seconds(self.end_ns)

    def seconds(self, stamp_ns: int) -> float:
        """Return the seconds from the first image to a stamp."""
        return (stamp_ns - self.start_ns) / 1e9


@dataclass(frozen=True)
class StoredSegment:
    """A span through which a query had one answer; the fields are those of Segment.msg.

    Attributes:
        recording: id of the recording.
        query: name of the query.
        seq: number among the segments of the query, from 0.
        start_ns: stamp of its first embedding.
        end_ns: stamp of the first embedding after it, or of its last one.
        start: the same in seconds from the first image of the recording.
        end: the same in seconds from the first image of the recording.
        text: the answer.
        score: probability (0..1) that it is right.
        share: the decoder's own (0..1).
        cosine: of the vector to the phrase; NaN without phrases.
        unfamiliarity: mean over the segment (0..1); NaN if it is not known.
        samples: number of embeddings.
    """

    recording: str
    query: str
    seq: int
    start_ns: int
    end_ns: int
    start: float
    end: float
    text: str
    score: float
    share: float
    cosine: float
    unfamiliarity: float
    samples: int


@dataclass(frozen=True)
class StoredState:
    """A state as it was told live; the fields are those of StateDescription.msg."""

    recording: str
    query: str
    seq: int
    stamp_ns: int
    since_ns: int
    text: str
    previous_text: str
    score: float
    share: float
    cosine: float
    unfamiliarity: float
    image_fault: int
    distance: float
    reason: int


@dataclass(frozen=True)
class StoredTicks:
    """The embeddings of one query, one row per clip, in the order of time.

    Attributes:
        query: name of the query.
        stamps_ns: int64 (N), of each clip's newest image.
        window_starts_ns: int64 (N), of each clip's oldest image.
        unfamiliarity: float32 (N); NaN if it is not known.
        image_faults: uint8 (N), as in Embedding.msg.
        vectors: float16 (N, dimension); (N, 0) if they were not asked for.
    """

    query: str
    stamps_ns: NDArray[np.int64]
    window_starts_ns: NDArray[np.int64]
    unfamiliarity: NDArray[np.float32]
    image_faults: NDArray[np.uint8]
    vectors: NDArray[np.float16]


@dataclass(frozen=True)
class SearchHit:
    """A segment that fits a text: its recording, and the cosine (-1..1) of the two vectors."""

    recording: StoredRecording
    segment: StoredSegment
    cosine: float
