# SPDX-License-Identifier: Apache-2.0
"""A taught bundle's statistics of what is familiar, and what its scores are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.calibration import LEAST_ANSWERS, STRANGE, ScoreLine
from vljepa_ros.runtime.statistics import LabelledClip, add_statistics, cut_clips
from vljepa_ros.runtime.unfamiliarity import TooFewClipsError
from vljepa_ros.teaching.measured_recording import MeasuredRecording
from vljepa_ros.teaching.query_figures import judged, moments
from vljepa_ros.teaching.taught_recording import UNLABELLED, Lessons, TaughtRecording
from vljepa_ros.teaching.teaching_report import CalibrationFigures, calibration_figures

_NS = 1_000_000_000


def add_known_scenes(
    bundle: Bundle, taught: Lessons, held_out: Lessons
) -> tuple[Bundle, list[str]]:
    """Add the statistics of taught recordings, and a calibration on held-out ones.

    Returns:
        The bundle, and what a user should know.

    Raises:
        BackendError: the model failed.
        OSError: a file cannot be written.
    """
    try:
        return add_statistics(bundle, _clips(bundle, taught), _clips(bundle, held_out)), []
    except TooFewClipsError as error:
        return bundle, [f"the robot will not know what is unfamiliar: {error}"]


def calibrations(
    measured: Sequence[MeasuredRecording], lessons: Lessons
) -> Iterator[CalibrationFigures]:
    """Yield how well scores agree with what is right, each recording judged by the others'."""
    for query, texts in lessons.texts.items():
        parts = [_shares_and_hits(one, query) for one in measured]
        scores, right = [], []
        for number, (shares, hits) in enumerate(parts):
            others = parts[:number] + parts[number + 1 :]
            if sum(len(one) for one, _ in others) >= LEAST_ANSWERS and len(shares):
                known = [np.concatenate(side) for side in zip(*others, strict=True)]
                line = ScoreLine.fit(known[0], known[1], 1 / len(texts))
                scores.append(np.array([line.at(float(share)) for share in shares]))
                right.append(hits)
        if scores:
            yield calibration_figures(query, np.concatenate(scores), np.concatenate(right))


def strange_share(measured: Sequence[MeasuredRecording]) -> float:
    """Return the share of clips, 0..1, that look strange; NaN without statistics."""
    values = np.concatenate([np.zeros(0, np.float32), *(one.unfamiliarity for one in measured)])
    known = values[np.isfinite(values)]
    return float((known > STRANGE).mean()) if len(known) else float("nan")


def _shares_and_hits(
    one: MeasuredRecording, query: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    truth, found = moments(one, query)
    return one.answers[query].shares[judged(one, query)], truth == found


def _clips(bundle: Bundle, lessons: Lessons) -> Iterator[LabelledClip]:
    for recording in lessons.recordings:
        frames = (
            (round(stamp * _NS) + _NS, np.asarray(frame))
            for stamp, frame in zip(recording.stamps_s, recording.frames, strict=True)
        )

        def answers(index: int, recording: TaughtRecording = recording) -> Mapping[str, str]:
            return {
                query: lessons.texts[query][labels[index]]
                for query, labels in recording.labels.items()
                if labels[index] != UNLABELLED
            }

        yield from cut_clips(bundle, recording.name, frames, answers)
