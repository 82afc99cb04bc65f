# SPDX-License-Identifier: Apache-2.0
"""The describer's change detector, run over a stream, with its two outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.evaluation.selective.decodings import Decodings
from vljepa_ros.stream.change import ChangeConfig, ChangeDetector, Decode
from vljepa_ros.stream.pieces import Piece

from .outputs import Outputs
from .streams import FRAME_RATE_HZ, Stream

_FRAME_NS = round(1e9 / FRAME_RATE_HZ)


@dataclass(frozen=True)
class Watched:
    """All that a detector found in a stream of ``frames`` frames."""

    decodes: list[Decode]
    pieces: list[Piece]
    frames: int

    @property
    def decoded(self) -> NDArray[np.intp]:
        """Frames (N) at which it decodes."""
        return np.array([one.stamp_ns // _FRAME_NS for one in self.decodes], dtype=np.intp)

    @property
    def starts(self) -> NDArray[np.intp]:
        """Frames (N) at which the states began that it decodes."""
        return np.array([one.since_ns // _FRAME_NS for one in self.decodes], dtype=np.intp)

    @property
    def states(self) -> Outputs:
        """What ``~/state`` says: each state when it is found, from its first samples."""
        return self._outputs(np.stack([one.embedding for one in self.decodes]), self.decoded)

    @property
    def segments(self) -> Outputs:
        """What ``~/segment`` says: each piece when it is over, from its mean."""
        return self._outputs(np.stack([one.mean for one in self.pieces]), None)

    def _outputs(
        self, embeddings: NDArray[np.floating], heard: NDArray[np.intp] | None
    ) -> Outputs:
        starts = self.starts
        ends = np.append(starts[1:], self.frames)
        middles = starts + (ends - starts) // 2
        return Outputs(Decodings(middles, starts, ends, embeddings), heard)


def watch(stream: Stream, signals: NDArray[np.float64], config: ChangeConfig) -> Watched:
    """Run a detector that compares ``signals`` (T, any) over a stream."""
    detector = ChangeDetector(config)
    decodes, pieces = [], []
    for frame, (embedding, signal) in enumerate(zip(stream.embeddings, signals, strict=True)):
        decode = detector.update(frame * _FRAME_NS, embedding, signal)
        if decode is not None:
            decodes.append(decode)
            pieces += [decode.ended] if decode.ended else []
    last = detector.finish()
    return Watched(decodes, pieces + [last] if last else pieces, len(stream))
