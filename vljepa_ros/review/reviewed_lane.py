# SPDX-License-Identifier: Apache-2.0
"""One query of a recording as a person sees it: the model's segments under corrections."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from vljepa_ros.review.corrections import SHORTEST_S, Correction


@dataclass(frozen=True)
class LaneSegment:
    """A stretch of time with one text.

    Attributes:
        start: seconds from the first image.
        end: seconds from the first image.
        text: "" if there is nothing to say.
        score: how sure the model is, 0..1; None if a person said it.
        unfamiliarity: how strange the scene looks, 0..1; None if it is not known.
        corrected: whether a person said it.
    """

    start: float
    end: float
    text: str
    score: float | None = None
    unfamiliarity: float | None = None
    corrected: bool = False


def with_corrections(
    model: Sequence[LaneSegment], corrections: Sequence[Correction]
) -> list[LaneSegment]:
    """Return the segments of a lane after corrections, in the order of time.

    Args:
        model: what the model said, in the order of time.
        corrections: of the same query, in the order of time, without overlaps.
    """
    ends = [one.end for one in corrections]
    lane = [LaneSegment(one.start, one.end, one.label, corrected=True) for one in corrections]
    for segment in model:
        near = islice(corrections, bisect_right(ends, segment.start), None)
        lane += _uncovered(segment, near)
    return sorted(lane, key=lambda segment: segment.start)


def _uncovered(segment: LaneSegment, corrections: Iterable[Correction]) -> Iterator[LaneSegment]:
    """Yield the parts of a segment that no correction covers; all of these end after it begins."""
    begin = segment.start
    for one in corrections:
        if one.start >= segment.end:
            break
        if one.start - begin >= SHORTEST_S:
            yield replace(segment, start=begin, end=one.start)
        begin = max(begin, one.end)
    if segment.end - begin >= SHORTEST_S:
        yield replace(segment, start=begin)
