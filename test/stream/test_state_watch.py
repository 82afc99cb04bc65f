# SPDX-License-Identifier: Apache-2.0
"""The moments at which queries are to be described, and which of two is told."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.pieces import Piece
from vljepa_ros.stream.state_watch import (
    Moment,
    NothingToDescribeError,
    StateWatch,
    combined,
)

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)
CONFIG = ChangeConfig(evidence_s=0.02, confirmations=1, min_gap_s=0.0)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (Reason.FIRST, Reason.CHANGE, Reason.FIRST),
        (Reason.CHANGE, Reason.REFRESH, Reason.CHANGE),
        (Reason.REFRESH, Reason.CHANGE, Reason.CHANGE),
        (Reason.CHANGE, Reason.FIRST, Reason.FIRST),
    ],
)
def test_the_newest_moment_is_told_for_the_weightiest_reason(
    old: Reason, new: Reason, reason: Reason
) -> None:
    moments = (
        Moment("door", "old camera", Decode(15, 10, old, 0.5, OPEN)),
        Moment("door", "camera", Decode(25, 20, new, 0.5, CLOSED)),
    )
    moment = combined(*moments)
    assert (moment.decode.reason, moment.decode.since_ns, moment.frame_id) == (
        reason,
        20,
        "camera",
    )
    assert moment.decode.embedding is CLOSED


def piece(start: int, end: int) -> Piece:
    return Piece(start, end, OPEN.astype(np.float64), end - start)


def test_no_piece_is_lost_when_a_moment_takes_anothers_place() -> None:
    first, change = (Decode(0, 0, reason, 0.5, OPEN) for reason in (Reason.FIRST, Reason.CHANGE))
    waiting = Moment("door", "camera", change, ended=piece(0, 10))
    waiting = combined(waiting, Moment("door", "camera", change, ended=piece(10, 20)))
    assert spans(waiting) == ([], (0, 20))
    waiting = combined(waiting, Moment("door", "camera", first, over=(piece(20, 25),)))
    assert spans(waiting) == ([(0, 25)], None)
    waiting = combined(waiting, Moment("door", "camera", change, ended=piece(5, 9)))
    assert spans(waiting) == ([(0, 25)], (5, 9))
    waiting = combined(waiting, Moment("door", "camera", None, over=(piece(9, 12),)))
    assert spans(waiting) == ([(0, 25), (5, 12)], None)
    assert waiting.decode is None
    waiting = combined(waiting, Moment("door", "camera", first))
    assert spans(waiting) == ([(0, 25), (5, 12)], None)
    assert waiting.decode is first


def spans(moment: Moment) -> tuple[list[tuple[int, int]], tuple[int, int] | None]:
    """When what is over, and what ended, began and ended."""
    for it in (*moment.over, *([moment.ended] if moment.ended else [])):
        assert it.samples == it.end_ns - it.start_ns
    ended = moment.ended
    return (
        [(it.start_ns, it.end_ns) for it in moment.over],
        (ended.start_ns, ended.end_ns) if ended else None,
    )


def test_streams_that_end_hand_over_what_was_left() -> None:
    watch = StateWatch(CONFIG)
    for query, vector in (("door", OPEN), ("light", DARK)):
        watch.update(query, 1, vector, "camera")
        watch.update(query, 2, vector, "camera")
    watch.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    (light,) = watch.keep_only({"door": "Is it open?"})
    (door,) = watch.finish()
    assert (light.query, light.decode, spans_of(light)) == ("light", None, [(1, 2, 2)])
    assert (door.query, door.decode, spans_of(door)) == ("door", None, [(1, 2, 2)])
    assert watch.finish() == []


def spans_of(moment: Moment) -> list[tuple[int, int, int]]:
    return [(it.start_ns, it.end_ns, it.samples) for it in moment.over]


def test_queries_that_are_gone_or_ask_something_else_are_forgotten() -> None:
    watch = StateWatch(CONFIG)
    watch.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    for query, vector in (("door", OPEN), ("light", DARK)):
        assert watch.update(query, 1, vector, "camera") is not None
    watch.keep_only({"door": "Is it open?", "light": "Is it dark?"})
    assert watch.update("door", 2, OPEN, "camera") is None
    watch.keep_only({"door": "Is it closed?"})
    with pytest.raises(NothingToDescribeError, match="none so far"):
        watch.force("light")
    again = watch.update("door", 3, OPEN, "camera")
    assert again is not None and again.decode.reason is Reason.FIRST
