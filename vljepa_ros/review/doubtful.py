# SPDX-License-Identifier: Apache-2.0
"""Which segments a person should look at first, because a correction of them teaches most.

How doubtful a segment is: how probably the model is wrong about it, by its own score, by how
strange the scene looks, and by how often its text has been corrected so far. Of many segments with
one text the second teaches less than the first, so it counts less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vljepa_ros.review.corrections import Correction
from vljepa_ros.review.reviewed_lane import LaneSegment
from vljepa_ros.runtime.calibration import STRANGE

_NEXT_OF_A_TEXT = 0.8  # what the next segment with a text counts, relative to the one before


@dataclass(frozen=True)
class ReviewedLane:
    """One query of one recording: what the model said, and what a person did.

    Attributes:
        recording: id of the recording.
        query: name of the query.
        model: the model's segments in the order of time.
        corrections: in the order of time.
        shown: the model's segments after corrections.
    """

    recording: str
    query: str
    model: Sequence[LaneSegment]
    corrections: Sequence[Correction]
    shown: Sequence[LaneSegment]


@dataclass(frozen=True)
class Doubtful:
    """A segment of a lane, and how much there is to learn from it, 0..1."""

    recording: str
    query: str
    segment: LaneSegment
    doubt: float


def most_doubtful(lanes: Iterable[ReviewedLane], limit: int) -> list[Doubtful]:
    """Return the segments that no person has looked at, the most doubtful first."""
    lanes = list(lanes)
    wrong = _wrong_rates(lanes)
    found = [
        Doubtful(lane.recording, lane.query, one, _doubt(one, wrong.get((lane.query, one.text))))
        for lane in lanes
        for one in lane.shown
        if not one.corrected
    ]
    found.sort(key=lambda one: -one.doubt)
    seen: Counter[tuple[str, str]] = Counter()
    ranked = []
    for one in found:
        text = (one.query, one.segment.text)
        ranked.append((one.doubt * _NEXT_OF_A_TEXT ** seen[text], one))
        seen[text] += 1
    ranked.sort(key=lambda pair: -pair[0])
    return [one for _, one in ranked[:limit]]


def _doubt(segment: LaneSegment, wrong_rate: float | None) -> float:
    right = segment.score or 0.0
    if segment.unfamiliarity is not None:
        right *= min(1.0, (1 - segment.unfamiliarity) / (1 - STRANGE))
    if wrong_rate is not None:
        right *= 1 - wrong_rate
    return 1 - right


def _wrong_rates(lanes: Iterable[ReviewedLane]) -> dict[tuple[str, str], float]:
    """Return how often each text of a query turned out wrong, of those that a person looked at."""
    looked_at: dict[tuple[str, str], int] = defaultdict(int)
    wrong: dict[tuple[str, str], int] = defaultdict(int)
    for lane in lanes:
        labels = iter(lane.corrections)
        correction = next(labels, None)
        for said in lane.model:
            middle = (said.start + said.end) / 2
            while correction is not None and correction.end <= middle:
                correction = next(labels, None)
            if correction is not None and correction.start <= middle:
                looked_at[lane.query, said.text] += 1
                wrong[lane.query, said.text] += correction.label != said.text
    return {text: wrong[text] / (count + 1) for text, count in looked_at.items()}
