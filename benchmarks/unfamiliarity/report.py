# SPDX-License-Identifier: Apache-2.0
"""The tables: alarms by group, accuracy of what is still spoken of, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.unfamiliarity.figures import auroc, calibration_error, time_flagged
from benchmarks.unfamiliarity.observed import Observed
from vljepa_ros.runtime.calibration import Calibration
from vljepa_ros.runtime.unfamiliarity import KnownClips

THRESHOLD = 0.99
"""Unfamiliarity above which a clip is strange: that of one known clip in a hundred."""


@dataclass(frozen=True)
class Measured:
    """All that was observed.

    Attributes:
        known: the bundle's statistics.
        groups: streams by the name of their group.
        held_out: streams of the kind that the model was made for, with answers.
        cameras: the same from unseen cameras; perhaps none.
    """

    known: KnownClips
    groups: Mapping[str, Sequence[Observed]]
    held_out: Sequence[Observed]
    cameras: Sequence[Observed]

    def distances(self, streams: Sequence[Observed]) -> NDArray[np.float64]:
        """Return how strange clips are (n), in multiples of what raises the alarm.

        It is the larger one of the two measures, and unlike unfamiliarity without end.
        """
        return np.array([self._distance(row) for one in streams for row in self._seen(one)])

    def _distance(self, row: NDArray[np.float32]) -> float:
        known = self.known
        distance = known.distance(row) / np.quantile(known.scale, THRESHOLD)
        if not known.foreign.size:
            return float(distance)
        limit = np.quantile(known.foreign_scale, THRESHOLD)
        return float(max(distance, known.toward_foreign(row) / limit))

    def unfamiliarity(self, stream: Observed) -> NDArray[np.float64]:
        """Return the unfamiliarity of a stream's clips (n)."""
        return np.array([self.known.of(row) for row in self._seen(stream)])

    def _seen(self, stream: Observed) -> NDArray[np.float32]:
        return stream.features[:, : len(self.known.mean)]


def report(measured: Measured, calibration: Calibration, queries: Sequence[str]) -> str:
    """Return all tables as text."""
    lines = [*_alarms(measured), ""]
    for name, streams in (("episodes", measured.held_out), ("cameras", measured.cameras)):
        if streams:
            lines += [f"unseen {name}", *_answers(measured, streams, calibration, queries), ""]
    return "\n".join(lines)


def _alarms(measured: Measured) -> Iterator[str]:
    yield f"{'flagged, percent':26}{'streams':>8}{'clips':>8}{'AUROC':>8}{'clips':>8}{'time':>8}"
    familiar = measured.distances(measured.held_out)
    for name, streams in measured.groups.items():
        distances = measured.distances(streams)
        each = [(one.stamps_ns, measured.unfamiliarity(one)) for one in streams]
        clips = 100 * np.mean(np.concatenate([values for _, values in each]) > THRESHOLD)
        flagged = 100 * np.mean(time_flagged(each, THRESHOLD))
        counts = f"{len(streams):8}{len(distances):8}{auroc(familiar, distances):8.3f}"
        yield f"{name:26}{counts}{clips:8.1f}{flagged:8.1f}"


def _answers(
    measured: Measured,
    streams: Sequence[Observed],
    calibration: Calibration,
    queries: Sequence[str],
) -> Iterator[str]:
    yield (
        f"{'query':10}{'right':>8}{'of what is spoken':>20}{'spoken':>8}"
        f"{'ECE of shares':>16}{'of scores':>12}{'if spoken':>12}"
    )
    values = np.concatenate([measured.unfamiliarity(one) for one in streams])
    shares = np.concatenate([one.shares for one in streams])
    right = np.concatenate([one.right for one in streams])
    spoken = values <= THRESHOLD
    for column, query in enumerate(queries):
        hits, each = right[:, column], shares[:, column]
        scores = np.array(
            [
                calibration.score(query, float(share), float(value))
                for share, value in zip(each, values, strict=True)
            ]
        )
        accuracy = f"{100 * hits.mean():8.1f}{100 * hits[spoken].mean():20.1f}"
        errors = f"{100 * calibration_error(each, hits):16.1f}"
        errors += f"{100 * calibration_error(scores, hits):12.1f}"
        errors += f"{100 * calibration_error(scores[spoken], hits[spoken]):12.1f}"
        yield f"{query:10}{accuracy}{100 * spoken.mean():8.1f}{errors}"
