# SPDX-License-Identifier: Apache-2.0
"""What a person should do next: a verdict, the labels that need more, the moments to label."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vljepa_ros.teaching.measured_recording import NO_CLIP, MeasuredRecording
from vljepa_ros.teaching.query_figures import LabelFigures, QueryFigures
from vljepa_ros.teaching.taught_recording import UNLABELLED

FEW_RECORDINGS = 5  # that teach a label; more of them help most below this
GOOD = 0.7  # mean recall from which a query is ready
WEAK = 0.5  # recall below which a label is not to be relied on
TELLING = 3  # held-out recordings, below which a figure is a hint

_APART_S = 2.0  # between two moments of one recording
_PER_RECORDING = 3


@dataclass(frozen=True)
class Need:
    """A label that needs more examples, and why."""

    query: str
    text: str
    cause: str


@dataclass(frozen=True)
class Moment:
    """A moment that a person should look at.

    Attributes:
        recording: its name.
        time_s: seconds from its first image.
        query: the query that is uncertain there.
        found: what the model says.
        label: what was said by a person; "" if nobody did.
        cause: why.
    """

    recording: str
    time_s: float
    query: str
    found: str
    label: str
    cause: str


def needs(figures: Sequence[QueryFigures]) -> list[Need]:
    """Return the labels that need more examples, the weakest first."""
    found = [
        (label.recall if label.moments else -1.0, Need(one.query, label.text, cause))
        for one in figures
        for label in one.labels
        if (cause := _cause(label))
    ]
    return [need for _, need in sorted(found, key=lambda pair: pair[0])]


def _cause(label: LabelFigures) -> str:
    where = f"taught in {label.taught_recordings} recordings, {label.taught_seconds:.0f} s"
    if not label.taught_recordings:
        return "it is in held-out recordings only"
    if not label.moments:
        return f"no held-out clip ends in it, so it was not measured ({where})"
    if label.recall < WEAK:
        return f"found at {label.recall:.0%} of its moments ({where})"
    if label.taught_recordings < FEW_RECORDINGS and label.recall < GOOD:
        return f"found at {label.recall:.0%} of its moments and {where}"
    return ""


def verdict(figures: Sequence[QueryFigures], needed: Sequence[Need]) -> str:
    """Return one sentence: ready, or what is missing."""
    if not any(one.moments for one in figures):
        return (
            "Not measured: nothing could be held out; label a second recording (or group) of "
            "each text."
        )
    measured = [one for one in figures if one.moments]
    shares = "; ".join(
        f"{one.query}: {one.accuracy:.0%} of moments right, {one.mean_recall:.0%} as the mean of "
        f"labels (always the most frequent {one.majority:.0%})"
        for one in measured
    )
    few = min(one.recordings for one in measured)
    hint = f" Measured on {few} recording{'s' * (few > 1)} only: take it as a hint."
    worth = hint if few < TELLING else ""
    lacking = [one for one in measured if one.mean_recall < GOOD]
    if lacking and needed:
        names = ", ".join(f"{need.text!r}" for need in needed[:3])
        return f"Not ready: label more of {names} ({shares}).{worth}"
    if lacking:
        return f"Not ready: label more recordings ({shares}).{worth}"
    if needed:
        return f"Ready, but do not rely on {needed[0].text!r} yet ({shares}).{worth}"
    return f"Ready for scenes like these ({shares}).{worth}"


def moments_to_label(
    measured: Sequence[MeasuredRecording], texts: Mapping[str, Sequence[str]], count: int = 10
) -> list[Moment]:
    """Return the moments that a person's label would teach most, far apart from each other.

    Moments without a label come first, the least certain ones before others; then moments at which
    the model is sure of something else than the label says: one of the two is wrong.
    """
    ranked = sorted(_candidates(measured, texts), key=lambda pair: -pair[0])
    chosen: list[Moment] = []
    for _, moment in ranked:
        same = [one for one in chosen if one.recording == moment.recording]
        near = any(abs(one.time_s - moment.time_s) < _APART_S for one in same)
        if not near and len(same) < _PER_RECORDING:
            chosen.append(moment)
        if len(chosen) == count:
            break
    return chosen


def _candidates(
    measured: Sequence[MeasuredRecording], texts: Mapping[str, Sequence[str]]
) -> Iterator[tuple[float, Moment]]:
    """Yield moments with their worth, above 1 if nobody has labelled them."""
    for one in measured:
        for query, answers in one.answers.items():
            labels = one.recording.labels.get(query)
            for index in np.flatnonzero(answers.found != NO_CLIP):
                label = UNLABELLED if labels is None else int(labels[index])
                found, margin = int(answers.found[index]), float(answers.margins[index])
                if label == found or math.isnan(margin):
                    continue
                known = label != UNLABELLED
                worth = margin if known else 2.0 - margin
                cause = (
                    f"sure ({answers.shares[index]:.0%}) of another text than the label"
                    if known
                    else f"not labelled, and uncertain ({answers.shares[index]:.0%})"
                )
                yield (
                    worth,
                    Moment(
                        one.recording.name,
                        round(float(one.recording.stamps_s[index]), 2),
                        query,
                        texts[query][found],
                        texts[query][label] if known else "",
                        cause,
                    ),
                )
