# SPDX-License-Identifier: Apache-2.0
"""The grammar: distinct canonical sentences, and wordings that training never sees."""

from __future__ import annotations

import pytest

from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.simulated_tasks import TASKS


def every_label() -> list[str]:
    """One label of every kind for every task."""
    labels = {"rest:", "holds:nothing"}
    for task in TASKS:
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


@pytest.mark.parametrize("label", every_label())
def test_held_out_wordings_are_never_trained(label):
    trained, held_out = language.training_paraphrases(label), language.held_out_paraphrases(label)
    assert trained[0] == language.canonical(label)
    assert len(set(trained)) == len(trained) >= 3
    assert held_out and not set(held_out) & set(trained)


def test_sentences_are_whole():
    for label in every_label():
        for sentence in language.training_paraphrases(label):
            assert "{" not in sentence and "  " not in sentence and sentence == sentence.strip()


def test_the_held_out_query_is_never_trained():
    for query, wordings in language.QUERIES.items():
        assert language.held_out_query(query) not in language.training_queries(query)
        assert language.training_queries(query)[0] == wordings[0]
