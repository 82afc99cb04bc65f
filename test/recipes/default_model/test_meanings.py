# SPDX-License-Identifier: Apache-2.0
"""What an act or a goal means is read from its own words."""

from __future__ import annotations

import pytest

from vljepa_ros.recipes.default_model.simulation.meanings import Meaning, goal_of, meaning_of


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("act:pulls the drawer open", Meaning("open", ("the drawer",))),
        ("act:pushes the button in", Meaning("press", ("the button",))),
        ("act:pulls the lever up", Meaning("raise", ("the lever",))),
        ("act:slides the plate toward the goal", Meaning("slide to", ("the plate", "the goal"))),
        (
            "act:pushes the bottle with the stick",
            Meaning("push with", ("the bottle", "the stick")),
        ),
        ("act:turns the lock shut", Meaning("lock", ("the lock",))),
        ("act:slides the plate out of the goal", Meaning("take out", ("the plate", "the goal"))),
        ("act:waggles the lever up", Meaning("act", ("waggles the lever up",))),
        ("task:closing the open drawer", Meaning("close", ("the open drawer",))),
        ("task:pulling the mug away from the tap", Meaning("take away", ("the mug", "the tap"))),
        ("task:putting the lid on the box", Meaning("put on", ("the lid", "the box"))),
        ("task:starting the coffee machine", Meaning("switch on", ("the coffee machine",))),
        ("holds:nothing", Meaning("holds nothing", ())),
        ("carry:the peg|the hole", Meaning("carry", ("the peg", "the hole"))),
        ("rest:", Meaning("rest", ())),
        ("act:pulls the lever round", Meaning("act", ("pulls the lever round",))),
        ("act:dances with the lamp", Meaning("act", ("dances with the lamp",))),
        ("task:dancing", Meaning("task", ("dancing",))),
        ("said:open: the drawer", Meaning("said", ("open: the drawer",))),
    ],
)
def test_a_label_means_a_kind_about_things(label: str, meaning: Meaning) -> None:
    assert meaning_of(label) == meaning


def test_a_meaning_becomes_a_goal_again() -> None:
    assert goal_of(Meaning("put in", ("the cup", "the bin"))) == "putting the cup into the bin"
