# SPDX-License-Identifier: Apache-2.0
"""When a text holds: how sure, for how long, and what breaks it. Without a middleware."""

from __future__ import annotations

from typing import Any

import pytest
from builtin_interfaces.msg import Time

from vljepa_msgs.msg import Embedding, StateDescription
from vljepa_ros.client.condition import Condition
from vljepa_ros.client.known_states import STALE_S, KnownStates

OPEN = Condition(("open",), min_score=0.8)
_S = 1_000_000_000


def state(text: str = "open", score: float = 0.9, **fields: Any) -> StateDescription:
    stamp, since = fields.pop("stamp", 50), fields.pop("since", 50)
    message = StateDescription(query="object", text=text, score=score, **fields)
    message.header.stamp, message.since = Time(sec=stamp), Time(sec=since)
    return message


class Ear:
    """Takes states at times in whole seconds; both clocks run alike, and differ from stamps."""

    def __init__(self) -> None:
        self.known = KnownStates()

    def hear(self, at: int, *states: StateDescription) -> None:
        self.known.take(states, at * _S, float(at))

    def held(self, at: int, condition: Condition = OPEN) -> float | None:
        held = self.known.held(condition, at * _S, float(at))
        return None if held is None else held[1] / _S


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_a_text_holds_from_its_first_message(ear: Ear) -> None:
    ear.hear(1000, state())
    ear.hear(1001, state())
    assert ear.held(1002) == 2


def test_what_it_had_lasted_when_it_was_told_counts_in_stamps_of_the_camera(ear: Ear) -> None:
    ear.hear(1000, state(stamp=53, since=50))
    assert ear.held(1000) == 3


@pytest.mark.parametrize(
    "other",
    [
        state("closed"),
        state("", reason=StateDescription.LOST),
        state("open", reason=StateDescription.UNFAMILIAR),
        state(image_fault=Embedding.FROZEN),
        state(score=0.7),
    ],
    ids=["other words", "lost", "unfamiliar", "frozen images", "less sure"],
)
def test_nothing_else_holds_and_a_new_state_begins_anew(ear: Ear, other: StateDescription) -> None:
    ear.hear(1000, state())
    ear.hear(1001, other)
    assert ear.held(1001) is None
    ear.hear(1002, state(since=52, stamp=52))
    assert ear.held(1002) == 0


def test_a_message_that_was_missed_in_between_is_noticed(ear: Ear) -> None:
    ear.hear(1000, state(since=50, stamp=50))
    ear.hear(1001, state(since=51, stamp=51))
    assert ear.held(1001) == 0


def test_a_score_counts_from_when_it_was_high_enough_without_a_break(ear: Ear) -> None:
    for at, score in enumerate((0.5, 0.9, 0.8, 0.95), start=1000):
        ear.hear(at, state(score=score))
    wanted = {0.5: 3, 0.6: 2, 0.8: 2, 0.85: 0, 0.9: 0, 0.96: None}
    found = {least: ear.held(1003, Condition(("open",), min_score=least)) for least in wanted}
    assert found == wanted


def test_a_describer_that_says_nothing_is_not_believed(ear: Ear) -> None:
    ear.hear(1000, state())
    late = 1000 + int(STALE_S) + 1
    assert ear.held(late) is None
    assert ear.known.newest("object", float(late)) is None
    ear.hear(late, state())
    assert ear.held(late) == 0, "what happened meanwhile is not known"


def test_a_query_that_is_not_told_any_more_is_over(ear: Ear) -> None:
    ear.hear(1000, state())
    ear.hear(1001)
    assert ear.held(1001) is None


def test_only_the_named_query_counts(ear: Ear) -> None:
    ear.hear(1000, state())
    assert ear.held(1000, Condition(("open",), query="task")) is None
    assert ear.held(1000, Condition(("open", "ajar"), query="object")) == 0


def test_a_clock_that_is_set_back_begins_anew(ear: Ear) -> None:
    ear.hear(1000, state())
    ear.known.take([state()], 10 * _S, 1001.0)
    held = ear.known.held(OPEN, 12 * _S, 1001.0)
    assert held is not None and held[1] == 2 * _S


@pytest.mark.parametrize(
    "wrong", [{"texts": ()}, {"texts": ("",)}, {"min_score": 1.1}, {"for_s": -1.0}]
)
def test_what_can_never_hold_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"text|min_score|for_s"):
        Condition(**{"texts": ("open",), **wrong})


def test_people_are_told_what_is_seen_instead(ear: Ear) -> None:
    assert "does it run" in ear.known.told(0.0)
    ear.hear(1000, state("closed", 0.93))
    assert ear.known.told(1000.0) == "object: 'closed' (0.93)"
    ear.hear(1001, state("", reason=StateDescription.LOST))
    assert ear.known.told(1001.0) == "object: nothing is seen any more"
    assert "for 9 s" in ear.known.told(1010.0)
