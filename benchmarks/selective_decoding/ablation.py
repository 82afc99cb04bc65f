# SPDX-License-Identifier: Apache-2.0
"""Other causal rules, each in its simplest form, on the validation streams.

All but the window variance wait for a gap of 0.3 s, as the detector does, and put into words the
mean of what they hold for the new state at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.selective_decoding.comparison import REFERENCE_HZ
from benchmarks.selective_decoding.decodings import Decodings
from benchmarks.selective_decoding.experiment import StreamSet, load_streams
from benchmarks.selective_decoding.judge import CIDER, Curve, Judge
from benchmarks.selective_decoding.methods import METHODS, STATE, UNIFORM, Said
from benchmarks.selective_decoding.outputs import READINGS, Outputs, of_spans
from benchmarks.selective_decoding.reduction import reduction_factor
from benchmarks.selective_decoding.streams import Stream
from vljepa_ros.runtime.model import VLJepa

SETTINGS = 12
GAP = 3  # frames
OLD_WEIGHT = math.exp(-0.1 / 0.05)  # of the average, in one frame
ALLOWANCE = 0.1  # distance that CUSUM takes for noise; of 0.02 to 0.5 the best here
Moments = list[tuple[int, int]]  # frame of the decode, first frame of the state


class Rule(NamedTuple):
    """A rule and the range of its threshold."""

    name: str
    said: Said
    low: float
    high: float


def ablate(streams: StreamSet, data: Path, model: VLJepa, query: str) -> Iterator[str]:
    """Yield the lines of a table: how many times fewer decodes than uniform at 1 Hz."""
    judge = Judge(load_streams(data, streams.tuned_on, streams.seconds, model)[query])
    said = {one.name: one.said for one in METHODS}
    uniform = judge.curve(UNIFORM, said[UNIFORM], [REFERENCE_HZ])
    yield f"\n{streams.tuned_on}: times fewer decodes than {UNIFORM} at 1 Hz, by CIDEr-D"
    yield f"{'rule':28}" + "".join(f"{reading:>10}" for reading in READINGS)
    for rule in _rules(said):
        settings = np.geomspace(rule.low, rule.high, SETTINGS).tolist()
        curve = judge.curve(rule.name, rule.said, settings)
        factors = [_factor(uniform, curve, reading) for reading in READINGS]
        cells = ["never" if math.isnan(factor) else f"{factor:.2f}" for factor in factors]
        yield f"{rule.name:28}" + "".join(f"{cell:>10}" for cell in cells)


def _factor(uniform: Curve, curve: Curve, reading: str) -> float:
    key = CIDER, reading
    return reduction_factor(uniform.sweeps[key], curve.sweeps[key])


def _rules(said: dict[str, Said]) -> list[Rule]:
    return [
        Rule("adjacent distance", _adjacent, 0.01, 0.5),
        Rule("window variance", said["window variance"], 0.005, 0.1),
        Rule("anchor distance", _anchor, 0.02, 0.4),
        Rule("CUSUM of answers", _cusum, 0.1, 10.0),
        Rule("sticky filter of answers", _sticky, 1e-12, 0.1),
        Rule("this rule on embeddings", said["causal, embeddings"], 0.01, 2.0),
        Rule("this rule on answers", said[STATE], 0.01, 0.4),
    ]


def _adjacent(stream: Stream, threshold: float) -> Outputs:
    """Decode when a sample is far from the one before it."""
    rows, moments = stream.embeddings, [(0, 0)]
    cosines = np.einsum("td,td->t", rows[1:], rows[:-1])
    for frame in (np.flatnonzero(1 - cosines > threshold) + 1).tolist():
        if frame - moments[-1][0] >= GAP:
            moments.append((frame, frame))
    return _outputs(stream, moments)


def _anchor(stream: Stream, threshold: float) -> Outputs:
    """Decode when the average is twice in a row far from what was decoded last."""
    rows = stream.embeddings
    moments: Moments = [(0, 0)]
    anchor = average = rows[0]
    first: int | None = None
    for frame in range(1, len(rows)):
        average = _unit(OLD_WEIGHT * average + (1 - OLD_WEIGHT) * rows[frame])
        if 1 - average @ anchor <= threshold:
            first = None
        elif first is None:
            first = frame
        elif frame - moments[-1][0] >= GAP:
            moments.append((frame, first))
            anchor = average = _unit(rows[first : frame + 1].mean(axis=0))
            first = None
    return _outputs(stream, moments)


def _cusum(stream: Stream, threshold: float) -> Outputs:
    """Decode when distances from the state's mean add up to more than noise does."""
    rows = stream.answers
    moments: Moments = [(0, 0)]
    total, weight, added, first = rows[0].copy(), 1, 0.0, 1
    for frame in range(1, len(rows)):
        step = rows[frame] - total / weight
        added = max(0.0, added + 0.5 * float(step @ step) - ALLOWANCE)
        first = first if added > 0 else frame + 1
        if added > threshold and frame - moments[-1][0] >= GAP:
            moments.append((frame, first))
            new = rows[first : frame + 1]
            total, weight, added, first = new.sum(axis=0), len(new), 0.0, frame + 1
        else:
            total, weight = total + rows[frame], weight + 1
    return _outputs(stream, moments)


def _sticky(stream: Stream, switching: float) -> Outputs:
    """Decode when the most probable answer changes, given that answers change rarely."""
    likelihoods = stream.answers**2
    count = likelihoods.shape[1]
    belief, moments, best = np.full(count, 1 / count), [(0, 0)], int(likelihoods[0].argmax())
    for frame, likelihood in enumerate(likelihoods):
        belief = ((1 - switching) * belief + switching / count) * likelihood
        belief /= belief.sum()
        if belief.argmax() != best and frame - moments[-1][0] >= GAP:
            best = int(belief.argmax())
            moments.append((frame, frame))
    return _outputs(stream, moments)


def _outputs(stream: Stream, moments: Moments) -> Outputs:
    decoded, starts = np.array(moments, dtype=np.intp).T
    means = np.stack([stream.embeddings[a : b + 1].mean(axis=0) for b, a in moments])
    heard = Decodings(decoded, decoded, np.append(decoded[1:], len(stream)), means)
    return Outputs(of_spans(starts, len(stream), means), heard)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.linalg.norm(vector)
