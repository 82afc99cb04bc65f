# SPDX-License-Identifier: Apache-2.0
"""Labels that differ in one word from those of the training set, and mean none of them."""

from __future__ import annotations

from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.counterfactuals import counterfactual_labels
from vljepa_ros.recipes.default_model.simulation.meanings import meaning_of

LABELS = [
    "rest:",
    "act:pulls the drawer open",
    "approach:the drawer",
    "task:opening the window",
    "state:the door is partly open",
    "holds:nothing",
    "said:wipe the table",
    "task:juggling the balls",
    "act:juggles the balls",
]


def test_the_opposite_of_each_label_is_one() -> None:
    others = counterfactual_labels(LABELS)
    assert {"close:the drawer", "retreat:the drawer", "task:closing the window"} <= set(others)


def test_other_things_stand_in_for_a_labels_own() -> None:
    others = counterfactual_labels(LABELS)
    opened = [other for other in others if meaning_of(other).kind == "open"]
    assert len(opened) >= 4 and "open:the drawer" not in opened
    assert any(other.endswith(" is partly open") for other in others)
    assert not any("juggl" in other for other in others)
    assert not any(other.startswith(("rest:", "said:", "holds:", "act:")) for other in others)


def test_what_a_label_of_the_training_set_means_is_none() -> None:
    labels = [*LABELS, "act:pushes the drawer shut"]
    others = counterfactual_labels(labels)
    assert "close:the drawer" not in others
    assert not {meaning_of(other) for other in others} & {meaning_of(label) for label in labels}
    said = {text for label in labels for text in language.training_paraphrases(label)}
    assert not {language.canonical(other) for other in others} & said


def test_every_one_can_be_said() -> None:
    for other in counterfactual_labels(LABELS):
        sentences = language.training_paraphrases(other)
        assert len(sentences) > 5
        assert all("{" not in sentence for sentence in sentences)


def test_a_thing_that_a_label_names_stands_in_for_no_other() -> None:
    others = counterfactual_labels(
        ["grasp:the square nut", "grasp:the lid", "state:it lies there"]
    )
    assert others and not any(other.endswith(" nut") for other in others if "square" not in other)
    assert not any(other.startswith("state:") for other in others), "no predicate was found"
