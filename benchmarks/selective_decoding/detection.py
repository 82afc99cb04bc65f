# SPDX-License-Identifier: Apache-2.0
"""How well and how fast the detector of the describer finds true changes, at its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.selective_decoding.causal import Watched
from benchmarks.selective_decoding.changes import (
    ChangeCounts,
    DelaySummary,
    count_changes,
    detection_delays,
)
from benchmarks.selective_decoding.methods import watched
from benchmarks.selective_decoding.streams import Stream
from benchmarks.selective_decoding.uniform import uniform_starts
from benchmarks.selective_decoding.ward import ward_starts
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.stream.change import ChangeConfig, Reason

TOLERANCE = 2  # frames
DEFAULT = ChangeConfig()


@dataclass(frozen=True)
class Detection:
    """Figures of a set of streams.

    Attributes:
        any_words: delays in seconds until a change is decoded.
        right_words: the same, until the words are right.
        counts: how many changes are dated right to :data:`TOLERANCE` frames, by method.
    """

    any_words: DelaySummary
    right_words: DelaySummary
    counts: dict[str, ChangeCounts]


@dataclass(frozen=True)
class Activity:
    """What goes on per second in streams of one query.

    Attributes:
        changes: true ones.
        decodes: of the detector.
        messages: decodes whose words are new, which is what ``~/state`` says.
    """

    changes: float
    decodes: float
    messages: float


def detect(streams: Sequence[Stream]) -> Detection:
    """Run the default detector, and date changes by it and by methods that know their number."""
    found = [watched(stream, DEFAULT.evidence_s) for stream in streams]
    pairs = list(zip(streams, found, strict=True))
    return Detection(
        DelaySummary.of(np.concatenate([_delays(s, _changes(one)) for s, one in pairs])),
        DelaySummary.of(np.concatenate([_delays(s, _right(s, one)) for s, one in pairs])),
        {
            "causal": _counts(streams, [one.states.decodings.starts for one in found]),
            "Ward": _counts(streams, [ward_starts(one.ward, _number(one)) for one in streams]),
            "Ward of answers": _counts(
                streams, [ward_starts(one.ward_of_answers, _number(one)) for one in streams]
            ),
            "uniform": _counts(
                streams, [uniform_starts(len(one), _number(one)) for one in streams]
            ),
        },
    )


def activity(streams: Sequence[Stream]) -> Activity:
    """Count what the default detector does."""
    found = [watched(stream, DEFAULT.evidence_s) for stream in streams]
    seconds = sum(stream.seconds for stream in streams)
    texts = [_texts(stream, one) for stream, one in zip(streams, found, strict=True)]
    messages = sum(1 + sum(a != b for a, b in zip(told, told[1:], strict=False)) for told in texts)
    return Activity(
        sum(len(stream.starts) - 1 for stream in streams) / seconds,
        sum(len(one.decodes) for one in found) / seconds,
        messages / seconds,
    )


def _number(stream: Stream) -> int:
    return len(stream.starts)


def _texts(stream: Stream, found: Watched) -> list[str]:
    return [stream.words.text(one.embedding) for one in found.decodes]


def _changes(found: Watched) -> NDArray[np.intp]:
    is_change = [one.reason is Reason.CHANGE for one in found.decodes]
    frames: NDArray[np.intp] = found.decoded[is_change]
    return frames


def _right(stream: Stream, found: Watched) -> NDArray[np.intp]:
    """Return the frames of decodes, but the first, that name the state of that frame."""
    truth = [language.canonical(stream.labels[frame]) for frame in found.decoded]
    right = np.array([a == b for a, b in zip(_texts(stream, found), truth, strict=True)])
    frames: NDArray[np.intp] = found.decoded[1:][right[1:]]
    return frames


def _delays(stream: Stream, frames: NDArray[np.intp]) -> NDArray[np.float64]:
    return detection_delays(stream.starts[1:], frames, TOLERANCE) / FRAME_RATE_HZ


def _counts(streams: Sequence[Stream], starts: Sequence[NDArray[np.intp]]) -> ChangeCounts:
    total = ChangeCounts(0, 0, 0)
    for stream, found in zip(streams, starts, strict=True):
        total += count_changes(stream.starts[1:], found[1:], TOLERANCE)
    return total
