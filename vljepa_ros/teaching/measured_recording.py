# SPDX-License-Identifier: Apache-2.0
"""What a bundle says at every moment of labelled recordings, run as the nodes run it.

Every image passes the embedder's own code, and the describer's own detector and state tracker. So
the figures are those of the robot, with the clips that it sees there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.clip_embedder import ClipEmbedder, ClipEmbeddings, Frame
from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.runtime.signals import ANSWERS, choose_signal
from vljepa_ros.runtime.state_tracker import StateTracker
from vljepa_ros.stream.change import ChangeConfig
from vljepa_ros.stream.state_events import StateEvent, StateEventDetector
from vljepa_ros.teaching.taught_recording import TaughtRecording

NO_CLIP = -1
_NS = 1_000_000_000


@dataclass(frozen=True)
class Told:
    """A state that was published: ``text`` at ``time_s``, which began ``since_s``."""

    time_s: float
    since_s: float
    text: str


@dataclass(frozen=True)
class StreamAnswers:
    """What was found for one query of one recording.

    Attributes:
        found: number of the text at each image (n); ``NO_CLIP`` before the first clip.
        shares: of that text among the query's (n), 0..1.
        margins: how much more than the second best (n), 0..1.
        told: the states that were published.
        decodes: how often the detector asked for words.
    """

    found: NDArray[np.int32]
    shares: NDArray[np.float32]
    margins: NDArray[np.float32]
    told: tuple[Told, ...]
    decodes: int


@dataclass(frozen=True)
class MeasuredRecording:
    """A recording and what was found in it.

    Attributes:
        recording: what was looked at.
        answers: by the name of the query.
        unfamiliarity: of the clip that ends with each image (n); NaN before the first clip.
    """

    recording: TaughtRecording
    answers: Mapping[str, StreamAnswers]
    unfamiliarity: NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        stamps = self.recording.stamps_s
        return float(stamps[-1] - stamps[0]) if len(stamps) else 0.0


def measure(
    model: VLJepa, questions: Mapping[str, str], recording: TaughtRecording
) -> MeasuredRecording:
    """Run a bundle over a recording.

    Args:
        model: a loaded bundle whose phrases are the texts of the lessons.
        questions: the queries that are asked.
        recording: its images and labels.

    Raises:
        BackendError: the model failed.
    """
    images = len(recording.stamps_s)
    readers = {query: _Reader(model, query, images) for query in questions}
    unfamiliarity = np.full(images, np.nan, np.float32)
    detector = StateEventDetector(ChangeConfig())
    for index, seen in _embedded(model, questions, recording):
        unfamiliarity[index] = seen.unfamiliarity
        for reader in readers.values():
            reader.take(index, seen, detector)
    for event in detector.finish():
        readers[event.query].tell(event)
    answers = {query: reader.answers for query, reader in readers.items()}
    return MeasuredRecording(recording, answers, unfamiliarity)


def _embedded(
    model: VLJepa, questions: Mapping[str, str], recording: TaughtRecording
) -> Iterator[tuple[int, ClipEmbeddings]]:
    """Yield the number of each image that ends a clip, and the clip's embeddings."""
    embedder = ClipEmbedder(model, [f"{name}: {text}" for name, text in questions.items()])
    for index, stamp in enumerate(recording.stamps_s):
        frame = Frame(round(stamp * _NS) + _NS, "", np.asarray(recording.frames[index]), False)
        if seen := embedder.add({"": frame}).get(""):
            yield index, seen


class _Reader:
    """Collects what is found for one query."""

    def __init__(self, model: VLJepa, query: str, images: int) -> None:
        self._query, self._phrases = query, model.phrases
        self._signal = choose_signal(ANSWERS, model.phrases)
        self._tracker = StateTracker(model.phrases)
        self._told: list[Told] = []
        self._decodes = 0
        self._found = np.full(images, NO_CLIP, np.int32)
        self._shares, self._margins = (np.zeros(images, np.float32) for _ in range(2))

    @property
    def answers(self) -> StreamAnswers:
        return StreamAnswers(
            self._found, self._shares, self._margins, tuple(self._told), self._decodes
        )

    def take(self, index: int, seen: ClipEmbeddings, detector: StateEventDetector) -> None:
        """Take the embedding of the clip that ends with an image."""
        vector = seen.vectors[self._query]
        shares = self._phrases.probabilities(self._query, vector)
        second, best = np.argsort(shares)[-2:] if len(shares) > 1 else (0, 0)
        self._found[index] = best
        self._shares[index] = shares[best]
        self._margins[index] = shares[best] - (shares[second] if second != best else 0.0)
        event = detector.update(
            self._query,
            seen.end_ns,
            vector,
            "",
            self._signal(self._query, vector),
            window_start_ns=seen.start_ns,
        )
        if event is not None:
            self.tell(event)

    def tell(self, event: StateEvent) -> None:
        """Decode an event as the describer does."""
        if event.decode is not None:
            self._decodes += 1
        update = self._tracker.update(event)
        if update is not None and event.decode is not None:
            time_s, since_s = ((ns - _NS) / _NS for ns in (event.stamp_ns, update.since_ns))
            self._told.append(Told(time_s, since_s, update.text))
