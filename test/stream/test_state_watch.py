# SPDX-License-Identifier: Apache-2.0
"""The moments at which queries are to be described, and which of two is told."""

from __future__ import annotations

import numpy as np
import pytest

from vljepa_ros.stream.change import ChangeConfig, Decode, Reason
from vljepa_ros.stream.state_watch import (
    Moment,
    NothingToDescribeError,
    StateWatch,
    combined,
)

OPEN, CLOSED, DARK = np.eye(3, dtype=np.float32)
CONFIG = ChangeConfig(smoothing_s=0.0, confirmations=1, min_gap_s=0.0)


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
