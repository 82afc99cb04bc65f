# SPDX-License-Identifier: Apache-2.0
"""The methods that are compared. Each is a name, and what it says of a stream at a setting.

The setting of offline methods is the wanted rate itself. Those that find moments by a threshold
have one knob for all streams, which is set on other streams (see ``tuning``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.selective_decoding.causal import Watched, watch
from benchmarks.selective_decoding.decodings import at_start, midpoint, pooled
from benchmarks.selective_decoding.outputs import Outputs, of_spans
from benchmarks.selective_decoding.streams import Stream
from benchmarks.selective_decoding.uniform import uniform_starts
from benchmarks.selective_decoding.ward import ward_starts
from benchmarks.selective_decoding.window_variance import (
    window_variance_starts,
    window_variances,
)
from vljepa_ros.stream.change import ChangeConfig

VARIANCE_FRAMES = 3  # of 3, 5, 8 and 15 the best on the validation streams
UNIFORM, UNIFORM_POOLED = "uniform, middle", "uniform, pooled"
WARD, WARD_POOLED = "Ward, middle", "Ward, pooled"
STATE, SEGMENT = "causal, ~/state", "causal, ~/segment"

Said = Callable[[Stream, float], Outputs]


@dataclass(frozen=True)
class Knob:
    """The setting of a threshold; a higher one decodes less. ``low`` to ``high`` is tried."""

    low: float
    high: float


@dataclass(frozen=True)
class Method:
    """What is said of a stream at a setting: a rate in decodes per second, or a knob's value.

    Methods that find the same moments at the same value share their knob: ``tuned_as``.
    """

    name: str
    said: Said
    knob: Knob | None = None
    tuned_as: str = ""


def _pieces(stream: Stream, rate_hz: float) -> int:
    return min(len(stream), max(1, round(stream.seconds * rate_hz)))


def _uniform(stream: Stream, rate_hz: float) -> Outputs:
    starts = uniform_starts(len(stream), _pieces(stream, rate_hz))
    decodings = midpoint(stream.embeddings, starts)
    return Outputs(decodings, decodings)


def _uniform_pooled(stream: Stream, rate_hz: float) -> Outputs:
    starts = uniform_starts(len(stream), _pieces(stream, rate_hz))
    return Outputs(pooled(stream.embeddings, starts), None)


def _ward(stream: Stream, rate_hz: float) -> Outputs:
    starts = ward_starts(stream.ward, _pieces(stream, rate_hz))
    return Outputs(midpoint(stream.embeddings, starts), None)


def _ward_pooled(stream: Stream, rate_hz: float) -> Outputs:
    starts = ward_starts(stream.ward, _pieces(stream, rate_hz))
    return Outputs(pooled(stream.embeddings, starts), None)


def _ward_of_answers(stream: Stream, rate_hz: float) -> Outputs:
    starts = ward_starts(stream.ward_of_answers, _pieces(stream, rate_hz))
    return Outputs(pooled(stream.embeddings, starts), None)


def _window_variance(stream: Stream, threshold: float) -> Outputs:
    variances = window_variances(stream.embeddings, VARIANCE_FRAMES)
    return spoken_at_start(stream, window_variance_starts(variances, threshold))


def spoken_at_start(stream: Stream, starts: NDArray[np.intp]) -> Outputs:
    """Return what a method says that decodes the first frame of each span at once."""
    told = at_start(stream.embeddings, starts)
    return Outputs(of_spans(starts, len(stream), told.embeddings), told)


@lru_cache(maxsize=128)
def watched(stream: Stream, evidence_s: float) -> Watched:
    """Return what the describer's detector finds, its other settings being the default."""
    return watch(stream, stream.answers, ChangeConfig(evidence_s=evidence_s))


def _states(stream: Stream, evidence_s: float) -> Outputs:
    return watched(stream, evidence_s).states


def _segments(stream: Stream, evidence_s: float) -> Outputs:
    return watched(stream, evidence_s).segments


def _states_of_embeddings(stream: Stream, evidence_s: float) -> Outputs:
    return watch(stream, stream.scaled, ChangeConfig(evidence_s=evidence_s)).states


def true_states(stream: Stream, _: float) -> Outputs:
    """Return what would be said if every change were known: the most that timing can do."""
    return Outputs(pooled(stream.embeddings, stream.starts), None)


def every_frame(stream: Stream, _: float) -> Outputs:
    """Return what the model says of each frame."""
    every = at_start(stream.embeddings, np.arange(len(stream)))
    return Outputs(every, every)


_EVIDENCE = Knob(1e-6, 3.0)
CAUSAL = (STATE, SEGMENT)
METHODS = (
    Method(UNIFORM, _uniform),
    Method(UNIFORM_POOLED, _uniform_pooled),
    Method("window variance", _window_variance, Knob(1e-4, 0.3)),
    Method(WARD, _ward),
    Method(WARD_POOLED, _ward_pooled),
    Method("Ward of answers, pooled", _ward_of_answers),
    Method(STATE, _states, _EVIDENCE),
    Method(SEGMENT, _segments, _EVIDENCE, tuned_as=STATE),
    Method("causal, embeddings", _states_of_embeddings, _EVIDENCE),
)
REFERENCES = (Method("every frame", every_frame), Method("true states, pooled", true_states))
