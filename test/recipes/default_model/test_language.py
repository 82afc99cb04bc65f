# SPDX-License-Identifier: Apache-2.0
"""The grammar: distinct canonical sentences, and wordings that training never sees."""

from __future__ import annotations

from itertools import combinations

import pytest

from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.robosuite_tasks import SCENES
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import TASKS


def every_label() -> list[str]:
    """One label of every kind for every task."""
    labels = {"rest:", "holds:nothing"}
    for task in (*TASKS, *SCENES):
        labels |= {f"approach:{task.target}", f"retreat:{task.target}", f"task:{task.goal}"}
        labels |= {f"state:{state}" for state in (*task.states, task.placed) if state}
        if task.act:
            labels |= {f"act:{task.act}", f"back:{task.part}"}
        if task.tool_name:
            kinds = ("grasp", "lift", "hold", "falls", "air", "table", "holds")
            labels |= {f"{kind}:{task.tool_name}" for kind in kinds}
            labels.add(f"carry:{task.tool_name}|{task.place}")
    return sorted(labels)


def test_canonical_sentences_are_distinct():
    sentences = [language.canonical(label) for label in every_label()]
    assert len(set(sentences)) == len(sentences)


def query_of(label: str) -> str:
    """The query that a label answers."""
    kind = label.partition(":")[0]
    if kind in ("air", "table", "state"):
        return "object"
    return {"holds": "held", "task": "task"}.get(kind, "action")


def every_wording(label: str) -> list[str]:
    """All sentences of a label, of whatever use."""
    return [
        *language.training_paraphrases(label),
        *language.validation_paraphrases(label),
        *language.held_out_paraphrases(label),
    ]


@pytest.mark.parametrize("label", every_label())
def test_held_out_wordings_are_never_trained(label):
    trained, held_out = language.training_paraphrases(label), language.held_out_paraphrases(label)
    validation = language.validation_paraphrases(label)
    assert trained[0] == language.canonical(label)
    assert len(set(trained)) == len(trained) >= 25
    assert held_out and not set(held_out) & set(trained)
    assert validation and not set(validation) & {*trained, *held_out}


def test_no_sentence_answers_a_query_in_two_ways():
    for query in language.QUERIES:
        wordings = [set(every_wording(x)) for x in every_label() if query_of(x) == query]
        assert all(not a & b for a, b in combinations(wordings, 2))


def test_sentences_are_whole():
    for label in every_label():
        for sentence in every_wording(label):
            assert "{" not in sentence and "  " not in sentence and sentence == sentence.strip()


def test_an_answer_is_said_in_many_structures():
    said = language.training_paraphrases("act:pulls the drawer open")
    assert said[0] == "the robot pulls the drawer open"
    assert {"opening the drawer", "the drawer is being pulled out"} <= set(said)
    assert any(s.endswith(" is sliding the drawer open") for s in said)
    assert any(s.startswith("the drawer is being opened by ") for s in said)
    assert "the robot should open the drawer" in language.training_paraphrases(
        "task:opening the drawer"
    )
    assert "the drawer is half open" in language.training_paraphrases(
        "state:the drawer is partly open"
    )


def test_held_out_subjects_stand_in_no_other_sentence():
    for label in every_label():
        trained = language.training_paraphrases(label)
        for sentence in (*trained, *language.validation_paraphrases(label)):
            assert not {"manipulator", "hand"} & set(sentence.split())
        for sentence in trained:
            assert not {"mechanical", "claw"} & set(sentence.split())


@pytest.mark.parametrize("label", ["act:waltzes", "task:waltzing", "state:the waltz is loud"])
def test_what_no_wording_fits_is_said_in_its_own_words(label):
    assert any(label.partition(":")[2] in s for s in language.training_paraphrases(label))
    assert not set(language.training_paraphrases(label)) & {
        *language.validation_paraphrases(label),
        *language.held_out_paraphrases(label),
    }


def test_a_sentence_of_somebodys_own_is_its_only_wording():
    assert every_wording("said:put the pot upright") == ["put the pot upright"] * 3
    assert language.canonical("said:put the pot upright") == "put the pot upright"


@pytest.mark.parametrize("query", language.QUERIES)
def test_wordings_of_a_query_are_for_one_use(query):
    trained, validation = language.training_queries(query), language.validation_queries(query)
    assert len(set(trained)) == len(trained) >= 25
    assert language.held_out_query(query) not in {*trained, *validation}
    assert validation and not set(trained) & set(validation)
    others = [
        set(language.training_queries(other)) for other in language.QUERIES if other != query
    ]
    assert not any(set(trained) & other for other in others)
