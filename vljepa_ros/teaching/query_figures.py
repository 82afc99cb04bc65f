# SPDX-License-Identifier: Apache-2.0
"""Figures of a taught bundle on held-out recordings, each beside what can be had for nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.evaluation.ranks import majority, mean_per_class
from vljepa_ros.teaching.measured_recording import NO_CLIP, MeasuredRecording, StreamAnswers
from vljepa_ros.teaching.taught_recording import UNLABELLED, TaughtRecording

NEAR = 2  # images by which a border of a label may be off
_DRAWS = 1000  # of the bootstrap
_LATE_S = 5.0  # a state that is told later than this after its beginning counts as missed


@dataclass(frozen=True)
class LabelFigures:
    """How one text does.

    Attributes:
        text: the label.
        taught_recordings: recordings that teach it, ``taught_seconds`` their length.
        moments: labelled moments of held-out recordings.
        recall: share of these at which it was found; NaN without any.
        precision: share of the moments at which it was found that are of it; NaN if it never was.
    """

    text: str
    taught_recordings: int
    taught_seconds: float
    moments: int
    recall: float
    precision: float


@dataclass(frozen=True)
class QueryFigures:
    """How one query does on held-out recordings. Shares are 0..1, NaN if nothing was measured.

    Attributes:
        query: its name.
        question: its text.
        recordings: held-out recordings with labels of it.
        moments: labelled moments with a clip.
        accuracy: share of moments whose answer was right.
        low: lower end of the 95 % interval of the accuracy, over recordings; ``high`` the upper.
        mean_recall: mean over the labels of their recall.
        near: accuracy if the answer may also be that of the :data:`NEAR` images around.
        majority: accuracy of always saying the most frequent label.
        chance: accuracy of guessing.
        labels: each label.
        confusion: moments (true, found).
        delay_s: median seconds from the beginning of a state to the message that tells it.
        told: share of the states that were told within five seconds.
        decodes_hz: decodes per second.
    """

    query: str
    question: str
    recordings: int
    moments: int
    accuracy: float
    low: float
    high: float
    mean_recall: float
    near: float
    majority: float
    chance: float
    labels: tuple[LabelFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    delay_s: float
    told: float
    decodes_hz: float


def query_figures(
    query: str,
    question: str,
    texts: Sequence[str],
    taught: Sequence[TaughtRecording],
    measured: Sequence[MeasuredRecording],
) -> QueryFigures:
    """Compute the figures of one query.

    Args:
        query: its name.
        question: its text.
        texts: its labels.
        taught: recordings that were taught.
        measured: recordings that were not.
    """
    parts = [moments(one, query) for one in measured]
    truth, found = (np.concatenate([np.zeros(0, np.int32), *side]) for side in _sides(parts))
    hits = truth == found
    near = [nearly_right(one, query) for one in measured]
    confusion = np.zeros((len(texts), len(texts)), np.int64)
    np.add.at(confusion, (truth, found), 1)
    low, high = interval([part[0] == part[1] for part in parts if len(part[0])])
    delays, told = _delays(measured, query, texts)
    seconds = sum(one.seconds for one in measured)
    decodes = sum(one.answers[query].decodes for one in measured)
    return QueryFigures(
        query=query,
        question=question,
        recordings=sum(len(part[0]) > 0 for part in parts),
        moments=len(truth),
        accuracy=_mean(hits),
        low=low,
        high=high,
        mean_recall=mean_per_class(hits, truth) if len(truth) else math.nan,
        near=_mean(np.concatenate([np.zeros(0, bool), *near])),
        majority=majority(truth) if len(truth) else math.nan,
        chance=1 / len(texts),
        labels=tuple(_label_figures(texts, taught, query, confusion)),
        confusion=tuple(tuple(int(n) for n in row) for row in confusion),
        delay_s=float(np.median(delays)) if delays else math.nan,
        told=told,
        decodes_hz=decodes / seconds if seconds else math.nan,
    )


def moments(
    measured: MeasuredRecording, query: str
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return label and found text (m, each) of the labelled images that end a clip."""
    labels, found = measured.recording.labels[query], measured.answers[query].found
    used = judged(measured, query)
    return labels[used], found[used]


def judged(measured: MeasuredRecording, query: str) -> NDArray[np.bool_]:
    """Return which images (n) have a label and an answer."""
    labels, found = measured.recording.labels[query], measured.answers[query].found
    used: NDArray[np.bool_] = (labels != UNLABELLED) & (found != NO_CLIP)
    return used


def nearly_right(measured: MeasuredRecording, query: str) -> NDArray[np.bool_]:
    """Return for each judged image (m) whether the answer is a label at most two images away."""
    labels, found = measured.recording.labels[query], measured.answers[query].found
    right = np.zeros(len(labels), bool)
    for step in range(-NEAR, NEAR + 1):
        shifted = np.full_like(labels, UNLABELLED)
        begin, end = max(0, step), len(labels) + min(0, step)
        shifted[begin:end] = labels[begin - step : end - step]
        right |= shifted == found
    result: NDArray[np.bool_] = right[judged(measured, query)]
    return result


def interval(hits: Sequence[NDArray[np.bool_]], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a share over recordings, whose moments are not independent.

    Args:
        hits: for each recording, whether its moments are right.
        seed: of the draws.

    Returns:
        NaN for fewer than three recordings: nothing can be said.
    """
    if len(hits) < 3:
        return math.nan, math.nan
    right, count = (np.array([f(one) for one in hits], float) for f in (np.sum, len))
    drawn = np.random.default_rng(seed).integers(0, len(hits), (_DRAWS, len(hits)))
    shares = right[drawn].sum(1) / count[drawn].sum(1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


def _sides(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]],
) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
    return [one for one, _ in parts], [other for _, other in parts]


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _label_figures(
    texts: Sequence[str],
    taught: Sequence[TaughtRecording],
    query: str,
    confusion: NDArray[np.int64],
) -> Iterator[LabelFigures]:
    for number, text in enumerate(texts):
        with_it = [(one, one.labels[query] == number) for one in taught]
        own, said = int(confusion[number].sum()), int(confusion[:, number].sum())
        right = int(confusion[number, number])
        yield LabelFigures(
            text,
            sum(bool(held.any()) for _, held in with_it),
            float(sum(held.sum() * image_seconds(one) for one, held in with_it)),
            own,
            right / own if own else math.nan,
            right / said if said else math.nan,
        )


def image_seconds(recording: TaughtRecording) -> float:
    """Return for how long an image of a recording is the newest."""
    steps = np.diff(recording.stamps_s)
    return float(np.median(steps)) if len(steps) else 0.0


@dataclass(frozen=True)
class _State:
    """A label that holds from ``begin`` to ``end``, in seconds."""

    begin: float
    end: float
    number: int


def _states(recording: TaughtRecording, query: str) -> Iterator[_State]:
    """Yield the labels that begin within a recording, after another label."""
    labels, stamps = recording.labels[query], recording.stamps_s
    borders = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]
    spans = list(zip(borders, borders[1:], strict=False))
    for (before, _), (begin, end) in zip(spans, spans[1:], strict=False):
        if UNLABELLED not in (labels[before], labels[begin]):
            after = stamps[end] if end < len(stamps) else stamps[-1]
            yield _State(float(stamps[begin]), float(after), int(labels[begin]))


def _delays(
    measured: Sequence[MeasuredRecording], query: str, texts: Sequence[str]
) -> tuple[list[float], float]:
    """Return the seconds after which states were told, and the share that was told at all."""
    delays, states = [], 0
    for one in measured:
        for state in _states(one.recording, query):
            states += 1
            if (time := _told_at(one.answers[query], state, texts)) is not None:
                delays.append(time - state.begin)
    return delays, len(delays) / states if states else math.nan


def _told_at(answers: StreamAnswers, state: _State, texts: Sequence[str]) -> float | None:
    """Return when a state was told; a little early counts as at once."""
    last = min(state.end, state.begin + _LATE_S)
    for told in answers.told:
        if told.text == texts[state.number] and state.begin - 0.5 <= told.time_s <= last:
            return max(told.time_s, state.begin)
    return None


def as_fields(figures: object) -> Mapping[str, object]:
    """Return figures, a dataclass, for a JSON file; what was not measured is None."""
    return _plain(figures)  # type: ignore[return-value]


def _plain(value: object) -> object:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
