# SPDX-License-Identifier: Apache-2.0
"""The describer of a recording: embeddings in, states and segments in words out.

It runs the classes that the describer node runs. Nothing is live here, so no event waits for the
decoder or is merged with another one, and a stream ends with its recording.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.clip_embedder import ClipEmbeddings
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.signals import ANSWERS, choose_signal
from vljepa_ros.runtime.state_tracker import StateTracker, StateUpdate, Words
from vljepa_ros.stream.change import ChangeConfig, Reason
from vljepa_ros.stream.image_faults import ImageFault
from vljepa_ros.stream.segment import Segment
from vljepa_ros.stream.state_events import StateEvent, StateEventDetector
from vljepa_ros.stream.vectors import EmbeddingError

SILENCE_S = 3.0  # the describer's default


@dataclass(frozen=True)
class ToldState:
    """A state that is news.

    Attributes:
        query: name of the query.
        stamp_ns: of the embedding at which it was told.
        update: the state in words.
        distance: as in StateDescription.msg.
        unfamiliarity: mean over what is described (0..1); NaN if it is not known.
        image_fault: what is wrong with the newest image.
    """

    query: str
    stamp_ns: int
    update: StateUpdate
    distance: float
    unfamiliarity: float
    image_fault: ImageFault


@dataclass(frozen=True)
class ToldSegment:
    """A segment that is over.

    Attributes:
        query: name of the query.
        seq: number among the segments of the query, from 0.
        segment: its times and its mean.
        words: for all of it.
    """

    query: str
    seq: int
    segment: Segment
    words: Words

    @property
    def vector(self) -> NDArray[np.float32]:
        """Unit vector (dimension)."""
        return self.segment.embedding


Told = ToldState | ToldSegment


class OfflineDescriber:
    """Follows one recording; its rules are the defaults of the describer node."""

    def __init__(
        self, phrases: PhraseBank, calibration: Calibration, problems: Counter[str]
    ) -> None:
        """Begin before the first clip.

        Args:
            phrases: answers of the queries; queries without phrases are not described.
            calibration: of the bundle, for answers from phrases.
            problems: counts what could not be described.
        """
        self._phrases, self._problems = phrases, problems
        self._signal = choose_signal(ANSWERS, phrases)
        self._detector = StateEventDetector(ChangeConfig(), silence_s=SILENCE_S)
        self._tracker = StateTracker(phrases, score=calibration.score)

    def take(self, clip: ClipEmbeddings, fault: ImageFault) -> Iterator[Told]:
        """Yield what the next clip, with the fault of its newest image, makes known."""
        for query, vector in clip.vectors.items():
            if not self._phrases.can_answer(query):
                continue
            try:
                event = self._detector.update(
                    query,
                    clip.end_ns,
                    vector,
                    "",
                    self._signal(query, vector),
                    window_start_ns=clip.start_ns,
                    unfamiliarity=clip.unfamiliarity,
                    image_fault=fault,
                )
            except EmbeddingError:
                self._problems["embedding refused"] += 1
                continue
            if event is not None:
                yield from self._told(event)

    def finish(self) -> Iterator[Told]:
        """Yield what is known when the recording ends."""
        for event in self._detector.finish():
            yield from self._told(event)

    def _told(self, event: StateEvent) -> Iterator[Told]:
        try:
            update = self._tracker.update(event)
            if update is not None:
                yield _told_state(event, update)
        except (ValueError, BackendError):
            self._problems["descriptions failed"] += 1
        yield from self._segments(event.query, self._tracker.take_closed(event.query))

    def _segments(self, query: str, closed: Sequence[tuple[int, Segment]]) -> Iterator[Told]:
        for seq, segment in closed:
            try:
                words = self._tracker.describe(query, segment.embedding, segment.unfamiliarity)
            except (ValueError, BackendError):
                self._problems["segments lost"] += 1
            else:
                yield ToldSegment(query, seq, segment, words)


def _told_state(event: StateEvent, update: StateUpdate) -> ToldState:
    decode = event.decode
    is_compared = decode is not None and update.reason is not Reason.FIRST
    return ToldState(
        event.query,
        event.stamp_ns,
        update,
        decode.distance if decode and is_compared else 0.0,
        decode.unfamiliarity if decode else math.nan,
        event.image_fault,
    )
