# SPDX-License-Identifier: Apache-2.0
"""All that is known of a taught bundle: for people as a page, for programs as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.teaching.advice import Moment, Need
from vljepa_ros.teaching.query_figures import QueryFigures, as_fields

REPORT, PAGE = "teaching.json", "teaching.html"
"""Names of both in a bundle."""

TAUGHT, CHECKED, HELD_OUT, NOT_LABELLED = "taught", "checked", "held out", "not labelled"
"""What a recording was for."""

_BINS = 5


@dataclass(frozen=True)
class CalibrationBin:
    """Answers with similar scores: their mean score, how many were right, how many there are."""

    score: float
    right: float
    answers: int


@dataclass(frozen=True)
class CalibrationFigures:
    """How far scores are from how often answers are right.

    Attributes:
        query: its name.
        bins: answers by score, ascending.
        error: mean distance of score and share of rights, 0..1, weighed by the answers.
    """

    query: str
    bins: tuple[CalibrationBin, ...]
    error: float


def calibration_figures(
    query: str, scores: NDArray[np.float64], right: NDArray[np.bool_]
) -> CalibrationFigures:
    """Compare scores (n) with which answers were right (n)."""
    edges = np.linspace(0, 1, _BINS + 1)
    places = np.clip(np.digitize(scores, edges) - 1, 0, _BINS - 1)
    bins = tuple(
        CalibrationBin(float(scores[own].mean()), float(right[own].mean()), int(own.sum()))
        for place in range(_BINS)
        if (own := places == place).any()
    )
    away = sum(abs(one.score - one.right) * one.answers for one in bins)
    return CalibrationFigures(query, bins, away / len(scores) if len(scores) else math.nan)


@dataclass(frozen=True)
class TaughtPart:
    """One recording that took part.

    Attributes:
        name: what it is called.
        group: recordings of one group are taught or held out together.
        seconds: its length.
        role: ``taught``, ``checked`` (it said when to stop), ``held out`` (it was measured), or
            ``not labelled`` (it was looked at for moments to label).
        path: the file or folder; its topic, if it is a bag's.
        topic: as above.
    """

    name: str
    group: str
    seconds: float
    role: str
    path: str
    topic: str


@dataclass(frozen=True)
class TeachingReport:
    """What was taught, how it does, and what to do next.

    Attributes:
        name: of the bundle.
        space_id: of its embeddings.
        base: name of the bundle that it was taught from.
        made: date and time, ISO 8601.
        verdict: one sentence.
        queries: figures on held-out recordings.
        calibration: of each query that has one.
        unfamiliar: share of held-out clips that look strange, 0..1; NaN without statistics.
        needs: labels that need more examples.
        moments: what to label next.
        recordings: all that took part.
        labelled_s: seconds that have a label.
        took_s: seconds that each part of the work took.
        history: what the method noted, step by step.
        notes: what a user should know.
    """

    name: str
    space_id: str
    base: str
    made: str
    verdict: str
    queries: tuple[QueryFigures, ...]
    calibration: tuple[CalibrationFigures, ...]
    unfamiliar: float
    needs: tuple[Need, ...]
    moments: tuple[Moment, ...]
    recordings: tuple[TaughtPart, ...]
    labelled_s: float
    took_s: Mapping[str, float]
    history: Sequence[Mapping[str, float]] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def taught(self) -> tuple[TaughtPart, ...]:
        """The recordings that were taught."""
        return tuple(one for one in self.recordings if one.role == TAUGHT)

    @property
    def held_out(self) -> tuple[TaughtPart, ...]:
        """The recordings that were measured."""
        return tuple(one for one in self.recordings if one.role == HELD_OUT)

    def as_json(self) -> str:
        """Return everything as a JSON object; what was not measured is null."""
        fields: Any = as_fields(self)
        return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def table(self) -> str:
        """Return the most important figures for a terminal."""
        rows = [("query", "moments", "right", "+-2", "mean recall", "majority", "chance")]
        rows += [
            (
                one.query,
                str(one.moments),
                share(one.accuracy),
                share(one.near),
                share(one.mean_recall),
                share(one.majority),
                share(one.chance),
            )
            for one in self.queries
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


def share(value: float) -> str:
    """Return a share in percent, or a dash if it was not measured."""
    return "–" if math.isnan(value) else f"{value:.0%}"
