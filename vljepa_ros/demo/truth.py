# SPDX-License-Identifier: Apache-2.0
"""Ground truth of a recording: which text is right for each query, when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vljepa_ros.views.timeline import TimelineSegment


class TruthError(ValueError):
    """A truth file cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Truth:
    """What is right; the times of all segments are seconds from the first image.

    Attributes:
        rate_hz: label frames per second.
        queries: the true texts of each query, by its name.
        episodes: the tasks of the recording.
    """

    rate_hz: float
    queries: Mapping[str, tuple[TimelineSegment, ...]]
    episodes: tuple[TimelineSegment, ...] = ()


def load_truth(path: Path) -> Truth:
    """Read {"rate_hz", "queries": {name: [{"start", "end", "text"}]}, "episodes": [..."task"]}.

    Raises:
        TruthError: the file cannot be read or does not have that form.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        truth = Truth(
            float(raw["rate_hz"]),
            {name: _segments(rows, "text") for name, rows in raw["queries"].items()},
            _segments(raw.get("episodes", []), "task"),
        )
    except OSError as error:
        raise TruthError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TruthError(f"{path} is not a truth file: {type(error).__name__}: {error}") from error
    if truth.rate_hz <= 0:
        raise TruthError(f"{path}: rate_hz is {truth.rate_hz}, and must be above 0")
    return truth


def _segments(rows: list[dict[str, Any]], text: str) -> tuple[TimelineSegment, ...]:
    segments = [
        TimelineSegment(float(row["start"]), float(row["end"]), str(row[text])) for row in rows
    ]
    return tuple(sorted(segments, key=lambda one: one.start))
