# SPDX-License-Identifier: Apache-2.0
"""One set of streams from the embeddings to all figures.

Knobs are set on the validation streams; the test streams are only measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.selective_decoding.comparison import Reduction, reductions
from benchmarks.selective_decoding.detection import Activity, Detection, activity, detect
from benchmarks.selective_decoding.embeddings import load_split
from benchmarks.selective_decoding.judge import Curve, Judge
from benchmarks.selective_decoding.methods import METHODS, REFERENCES, Method
from benchmarks.selective_decoding.streams import PAPER_STREAM_S, Stream, Words, cut
from benchmarks.selective_decoding.tuning import settings_for
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.runtime.model import VLJepa

RATES_HZ = (2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class StreamSet:
    """Where streams come from, and how long they are; None is all episodes in one."""

    name: str
    tuned_on: str
    measured_on: str
    seconds: float | None


SETS = (
    StreamSet("dense", "val", "test", None),
    StreamSet("paced", "val_paced", "test_paced", PAPER_STREAM_S),
)


@dataclass(frozen=True)
class Result:
    """All figures of a set; ``ceiling`` is CIDEr-D x 100 of always saying the true phrase."""

    name: str
    episodes: int
    streams: int
    seconds: float
    annotations: int
    ceiling: float
    curves: dict[str, Curve]
    references: dict[str, Curve]
    reductions: list[Reduction]
    detection: Detection
    activity: dict[str, Activity]


def load_streams(
    data: Path, split: str, seconds: float | None, model: VLJepa
) -> dict[str, list[Stream]]:
    """Return the streams of a split by query."""
    loaded = load_split(data, split, model)
    return {
        query: cut(
            loaded.embeddings[:, number],
            loaded.labels[query],
            loaded.episodes,
            Words(query, model.phrases),
            seconds,
        )
        for number, query in enumerate(QUERY_NAMES)
    }


def run(streams: StreamSet, data: Path, model: VLJepa, query: str) -> Result:
    """Set the knobs and measure; for embeddings that are not cached it takes longer."""
    tuning = load_streams(data, streams.tuned_on, streams.seconds, model)
    settings = tuned(tuning[query])
    measured = load_streams(data, streams.measured_on, streams.seconds, model)
    judge = Judge(measured[query])
    curves = {one.name: judge.curve(one.name, one.said, settings[one.name]) for one in METHODS}
    return Result(
        name=streams.name,
        episodes=len(judge.frames),
        streams=len(judge.streams),
        seconds=judge.seconds,
        annotations=int(judge.annotations.sum()),
        ceiling=judge.ceiling,
        curves=curves,
        references={one.name: judge.curve(one.name, one.said, [0.0]) for one in REFERENCES},
        reductions=reductions(curves),
        detection=detect(judge.streams),
        activity={name: activity(some) for name, some in measured.items()},
    )


def tuned(streams: Sequence[Stream]) -> dict[str, list[float]]:
    """Return the settings of every method that come closest to :data:`RATES_HZ` here."""
    settings: dict[str, list[float]] = {}
    for method in METHODS:
        known = settings.get(method.tuned_as)
        settings[method.name] = known or _settings(method, streams)
    return settings


def _settings(method: Method, streams: Sequence[Stream]) -> list[float]:
    if method.knob is None:
        return list(RATES_HZ)
    seconds = sum(stream.seconds for stream in streams)

    def rate_at(value: float) -> float:
        return sum(len(method.said(one, value).decoded) for one in streams) / seconds

    found = settings_for(RATES_HZ, rate_at, method.knob.low, method.knob.high)
    return list(dict.fromkeys(found))
