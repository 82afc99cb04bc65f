# SPDX-License-Identifier: Apache-2.0
"""A run of the demo as a timeline picture."""

from __future__ import annotations

from itertools import pairwise

from vljepa_ros.demo.figures import Figures
from vljepa_ros.demo.record import RunRecord, StateRecord
from vljepa_ros.demo.truth import Truth
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
    states = [one for one in run.states if one.query == query]
    distance = tuple(
        (run.seconds(one.stamp_ns), one.distance)
        for one in run.embeddings
        if one.query == query and one.distance is not None
    )
    return Track(
        query,
        run.questions[query],
        _segments(run, states),
        truth.queries.get(query, ()) if truth else (),
        distance,
        str(summary.agreement.get(query, "")),
    )


def _segments(run: RunRecord, states: list[StateRecord]) -> tuple[TimelineSegment, ...]:
    """Return the states from their publication to the next one's, the last to the end."""
    edges = [run.seconds(one.stamp_ns) for one in states] + [run.duration_s]
    return tuple(
        TimelineSegment(start, end, one.text)
        for (start, end), one in zip(pairwise(edges), states, strict=True)
    )
