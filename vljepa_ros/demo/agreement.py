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
    """How often the current state was the true one.

    Attributes:
        exact: share (0..1) of label frames with the true text.
        tolerant: share that takes the truth of up to two frames before or after as right, too.
        ticks: number of label frames.
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
    """Compare states with the truth at every label frame.

    A state holds until the next one. A frame before the first state counts as wrong, and a frame
    without a label does not count. Times are rounded to the nearest label frame first, because
    those of a video are not exact.

    Args:
        truth: the true texts.
        states: (seconds at which it was published, text) of each state, in the order of time.
        rate_hz: label frames per second.
        start: of the time that is compared, in seconds.
        end: of the time that is compared, in seconds.
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
    """Return the true text at each of `count` label frames, or None if it has no label."""
    labels: list[str | None] = [None] * count
    for segment in truth:
        first, last = (min(round(edge * rate_hz), count) for edge in (segment.start, segment.end))
        labels[first:last] = [segment.text] * (last - first)
    return labels
