# SPDX-License-Identifier: Apache-2.0
"""How good the outputs of a method are on a set of streams, summed by episode.

Every true segment has one annotation, in its middle; its references are all wordings that the
label has, those of the training and those that it never sees. Frames are right if the text is
the label's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.selective_decoding.matching import said
from benchmarks.selective_decoding.methods import Said
from benchmarks.selective_decoding.outputs import LIVE, READINGS, Outputs
from benchmarks.selective_decoding.reduction import Sweep
from benchmarks.selective_decoding.streams import Stream
from vljepa_ros.evaluation.cider import Corpus
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recipes.default_model.simulation import language

CIDER, ACCURACY = "CIDEr-D", "frames right"
MEASURES = (CIDER, ACCURACY)
Key = tuple[str, str]  # measure and reading


@dataclass(frozen=True)
class Curve:
    """A method at S settings.

    Attributes:
        name: of the method.
        settings: (S) wanted rates in decodes per second, or values of its knob.
        sweeps: by measure and reading; CIDEr-D times 100, frames right in percent. Outputs that
            sum up what is over have no live reading.
    """

    name: str
    settings: Sequence[float]
    sweeps: dict[Key, Sweep]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Decodes per second (S) that there really were."""
        return next(iter(self.sweeps.values())).curve()[0]

    def quality(self, key: Key) -> NDArray[np.float64]:
        """Return the mean quality (S)."""
        return self.sweeps[key].curve()[1]


class Judge:
    """Knows the annotations of a set of streams of one query."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        """Annotate the streams."""
        self.streams = streams
        labels = sorted({label for stream in streams for label in stream.labels})
        self._texts = {label: language.canonical(label) for label in labels}
        self._references = {label: _references(label) for label in labels}
        annotated = [stream.labels[start] for stream in streams for start in stream.starts]
        self._corpus = Corpus([self._references[label] for label in annotated])
        self._episodes = 1 + max(int(stream.episodes[-1]) for stream in streams)
        self.annotations = self._sum([_middles(stream) for stream in streams])
        self.frames = self._sum([np.arange(len(stream)) for stream in streams])

    @property
    def seconds(self) -> float:
        """Length of all streams."""
        return float(self.frames.sum() / FRAME_RATE_HZ)

    @property
    def ceiling(self) -> float:
        """CIDEr-D of saying the true phrase every time, times 100."""
        labels = [stream.labels[start] for stream in self.streams for start in stream.starts]
        return float(np.mean([self._score(self._texts[label], label) for label in labels]))

    def curve(self, name: str, method: Said, settings: Sequence[float]) -> Curve:
        """Measure a method at each of its settings."""
        rows = [self._measured(method, setting) for setting in settings]
        decodes = np.stack([row[0] for row in rows])
        return Curve(name, settings, {key: self._sweep(key, decodes, rows) for key in rows[0][1]})

    def _sweep(
        self,
        key: Key,
        decodes: NDArray[np.float64],
        rows: list[tuple[NDArray[np.float64], dict[Key, NDArray[np.float64]]]],
    ) -> Sweep:
        counts = self.annotations if key[0] == CIDER else self.frames
        quality = np.stack([row[1][key] for row in rows])
        return Sweep(decodes, quality, self.frames / FRAME_RATE_HZ, counts)

    def _measured(
        self, method: Said, setting: float
    ) -> tuple[NDArray[np.float64], dict[Key, NDArray[np.float64]]]:
        """Return decodes (E) and qualities (E), both summed by episode."""
        outputs = [method(stream, setting) for stream in self.streams]
        decodes = self._sum([one.decoded for one in outputs])
        sums: dict[Key, NDArray[np.float64]] = {}
        for reading in READINGS:
            if reading == LIVE and outputs[0].heard is None:
                continue
            graded = [
                self._grade(stream, one, reading)
                for stream, one in zip(self.streams, outputs, strict=True)
            ]
            middles = [_middles(stream) for stream in self.streams]
            sums[CIDER, reading] = self._sum(middles, [scores for scores, _ in graded])
            frames = [np.arange(len(stream)) for stream in self.streams]
            sums[ACCURACY, reading] = self._sum(frames, [right for _, right in graded])
        return decodes, sums

    def _grade(
        self, stream: Stream, outputs: Outputs, reading: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the score of each annotation, and 100 for every frame that is right."""
        told, matched = outputs.read(reading, _middles(stream))
        texts = [stream.words.text(one) for one in told.embeddings]
        answers = said(texts, matched)
        wanted = [stream.labels[start] for start in stream.starts]
        scores = [self._score(text, label) for text, label in zip(answers, wanted, strict=True)]
        shown = said(texts, outputs.read(reading, np.arange(len(stream)))[1])
        right = [
            text == self._texts[label] for text, label in zip(shown, stream.labels, strict=True)
        ]
        return np.array(scores), 100.0 * np.array(right)

    def _score(self, text: str, label: str) -> float:
        return 100 * self._corpus.score(text, self._references[label])

    def _sum(
        self, frames: Sequence[NDArray[np.intp]], values: Sequence[NDArray[np.float64]] = ()
    ) -> NDArray[np.float64]:
        """Sum by episode (E) what belongs to frames of each stream; without values, count."""
        episodes = [s.episodes[at] for s, at in zip(self.streams, frames, strict=True)]
        weights = np.concatenate(values) if values else None
        counted = np.bincount(np.concatenate(episodes), weights, self._episodes)
        return counted.astype(np.float64)


def _middles(stream: Stream) -> NDArray[np.intp]:
    ends = np.append(stream.starts[1:], len(stream))
    return stream.starts + (ends - stream.starts) // 2


def _references(label: str) -> list[str]:
    return language.training_paraphrases(label) + language.held_out_paraphrases(label)
