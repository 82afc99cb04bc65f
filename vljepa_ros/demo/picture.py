# SPDX-License-Identifier: Apache-2.0
"""A run of the demo as a timeline picture."""

from __future__ import annotations

from vljepa_ros.demo.figures import Figures
from vljepa_ros.demo.record import RunRecord, StateRecord
from vljepa_ros.demo.truth import Truth
from vljepa_ros.views.doubts import doubted
from vljepa_ros.views.timeline import Timeline, TimelineSegment, Track


def timeline(run: RunRecord, summary: Figures, truth: Truth | None) -> Timeline:
    """Return the picture of a run, for `draw_timeline`."""
    subtitle = (
        f"{run.model}     {summary.frames} frames in, {summary.embeddings} embeddings, "
        f"{summary.states} states"
    )
    tracks = tuple(_track(run, query, summary, truth) for query in run.questions)
    episodes = truth.episodes if truth else ()
    return Timeline(f"VL-JEPA on {run.source}", subtitle, run.duration_s, tracks, episodes)


def _track(run: RunRecord, query: str, summary: Figures, truth: Truth | None) -> Track:
    distance = tuple(
        (run.seconds(one.stamp_ns), one.distance)
        for one in run.embeddings
        if one.query == query and one.distance is not None
    )
    return Track(
        query,
        run.questions[query],
        _segments(run, query),
        truth.queries.get(query, ()) if truth else (),
        distance,
        str(summary.agreement.get(query, "")),
    )


def _segments(run: RunRecord, query: str) -> tuple[TimelineSegment, ...]:
    return tuple(_segment(start, end, one) for start, end, one in run.spans(query))


def _segment(start: float, end: float, one: StateRecord) -> TimelineSegment:
    if one.doubt:
        return TimelineSegment(start, end, doubted(one.text, one.doubt), is_doubted=True)
    return TimelineSegment(start, end, one.text)
