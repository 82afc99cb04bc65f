# SPDX-License-Identifier: Apache-2.0
"""The describer's change detector, run over a stream, with its two outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.selective_decoding.decodings import Decodings
from benchmarks.selective_decoding.outputs import Outputs, of_spans
from benchmarks.selective_decoding.streams import Stream
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode
from vljepa_ros.stream.segment import Segment

_FRAME_NS = round(1e9 / FRAME_RATE_HZ)


@dataclass(frozen=True)
class Watched:
    """All that a detector found in a stream of ``frames`` frames."""

    decodes: list[Decode]
    ended: list[Segment]
    frames: int

    @property
    def decoded(self) -> NDArray[np.intp]:
        """Frames (N) at which it decodes."""
        return _frames([one.stamp_ns for one in self.decodes])

    @property
    def states(self) -> Outputs:
        """What ``~/state`` says: each state when it is found, from its first samples.

        In the end a correction stands in the place of what it corrects; both were decoded.
        """
        told, decoded = self.decodes, self.decoded
        ends = np.append(decoded[1:], self.frames)
        heard = Decodings(decoded, decoded, ends, _stacked(told))
        last = [
            one
            for one, after in zip(told, [*told[1:], None], strict=True)
            if after is None or after.since_ns != one.since_ns
        ]
        starts = _frames([one.since_ns for one in last])
        return Outputs(of_spans(starts, self.frames, _stacked(last)), heard)

    @property
    def segments(self) -> Outputs:
        """What ``~/segment`` says: each segment when it is over, from its mean."""
        means = np.stack([one.mean for one in self.ended])
        starts = _frames([one.start_ns for one in self.ended])
        return Outputs(of_spans(starts, self.frames, means), None)


def watch(stream: Stream, signals: NDArray[np.float64], config: ChangeConfig) -> Watched:
    """Run a detector that compares ``signals`` (T, any) over a stream."""
    detector = ChangeDetector(config)
    decodes, ended = [], []
    for frame, (embedding, signal) in enumerate(zip(stream.embeddings, signals, strict=True)):
        decode = detector.update(frame * _FRAME_NS, embedding, signal)
        if decode is not None:
            decodes.append(decode)
            ended += [decode.ended] if decode.ended else []
    last = detector.finish()
    return Watched(decodes, ended + [last] if last else ended, len(stream))


def _stacked(decodes: Sequence[Decode]) -> NDArray[np.float32]:
    return np.stack([one.embedding for one in decodes])


def _frames(stamps_ns: Sequence[int]) -> NDArray[np.intp]:
    return np.array([stamp_ns // _FRAME_NS for stamp_ns in stamps_ns], dtype=np.intp)
