# SPDX-License-Identifier: Apache-2.0
"""How often the published state is the true one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from vljepa_ros.views.timeline import TimelineSegment

TOLERANCE_FRAMES = 2


@dataclass(frozen=True)
class Agreement:
    """Shares (0..1) of `ticks` label frames in which the current state's text is the true one.

    `tolerant` also takes the truth of up to two frames before or after as right.
    """

    exact: float
    tolerant: float
    ticks: int

    def __str__(self) -> str:
        """Return both shares in words."""
        if self.ticks == 0:
            return "no labelled frame was seen"
        return (
            f"{100 * self.exact:.1f} % right, {100 * self.tolerant:.1f} % within "
            f"\N{PLUS-MINUS SIGN}{TOLERANCE_FRAMES} frames"
        )


def agreement(
    truth: Sequence[TimelineSegment],
    states: Sequence[tuple[float, str]],
    rate_hz: float,
    start: float,
    end: float,
) -> Agreement:
    """Compare at every label frame in [start, end] seconds.

    `states` holds (seconds at which it was published, text) in order of time; a state holds until
    the next, and a frame before the first state counts as wrong. Frames without a label do not
    count. Times are rounded to the nearest label frame first, as a video's own are not exact.
    """
    published = [round(seconds * rate_hz) for seconds, _ in states]
    labels = _labels(truth, rate_hz, round(end * rate_hz) + 1)
    exact = tolerant = ticks = 0
    for tick, label in enumerate(labels):
        if label is None or tick < round(start * rate_hz):
            continue
        known = bisect_right(published, tick)
        text = states[known - 1][1] if known else None
        near = labels[max(tick - TOLERANCE_FRAMES, 0) : tick + TOLERANCE_FRAMES + 1]
        ticks += 1
        exact += text == label
        tolerant += text is not None and text in near
    return Agreement(exact / max(ticks, 1), tolerant / max(ticks, 1), ticks)


def _labels(truth: Sequence[TimelineSegment], rate_hz: float, count: int) -> list[str | None]:
    """Return the true text at each of `count` label frames, None where there is none."""
    labels: list[str | None] = [None] * count
    for segment in truth:
        first, last = (min(round(edge * rate_hz), count) for edge in (segment.start, segment.end))
        labels[first:last] = [segment.text] * (last - first)
    return labels
