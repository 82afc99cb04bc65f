# SPDX-License-Identifier: Apache-2.0
"""Sentences of the labels: one canonical, many for training, some for validation, some held out.

A label is ``kind:arguments``, with ``|`` between arguments; ``said:`` has a sentence of somebody's
own. The grammar multiplies subjects, predicates and structures. Validation and held-out sentences
have a subject *and* a predicate that training never sees, so that they measure whether the model
follows the text encoder's space rather than a list of strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import cycle, product

from vljepa_ros.recipes.default_model.simulation import questions
from vljepa_ros.recipes.default_model.simulation.meanings import meaning_of, split_state
from vljepa_ros.recipes.default_model.simulation.verbs import imperative, participle, passive
from vljepa_ros.recipes.default_model.simulation.wordings import (
    ACTS,
    HELD_OUT_SUBJECTS,
    ORDERS,
    PLACED,
    PREDICATES,
    PREPOSITIONS,
    SENTENCES,
    STATES,
    STRUCTURES,
    SUBJECTS,
    VALIDATION_SUBJECTS,
    Wordings,
)

_NOTHING = Wordings((), ())


def canonical(label: str) -> str:
    """Return the sentence that the phrase bank shows for ``label``."""
    return training_paraphrases(label)[0]


@cache
def training_paraphrases(label: str) -> tuple[str, ...]:
    """Return every sentence that may stand for ``label`` in training, the canonical one first."""
    kind, _, argument = label.partition(":")
    if kind == "said":
        return (argument,)
    if kind == "task":
        return _distinct(_task_sentences(argument))
    wordings = _states(argument) if kind == "state" else _wordings(label)
    if meaning_of(label).kind in SENTENCES:
        return _distinct(_each_of_each(SENTENCES["state"].trained, wordings.trained))
    return _distinct(_robot_sentences(wordings.trained, meaning_of(label).arguments))


def validation_paraphrases(label: str) -> tuple[str, ...]:
    """Return sentences for ``label`` that training never sees, to choose settings by."""
    kind, _, argument = label.partition(":")
    if kind == "said":
        return (argument,)
    if kind == "task":
        goals = [*filter(None, map(participle, _wordings(label).validation))] or [argument]
        return _distinct(_each_of_each(SENTENCES["task"].validation, goals))
    if kind == "state":
        states = _states(argument).validation or (argument,)
        return _distinct(_each_of_each(SENTENCES["state"].validation, states))
    wordings = _wordings(label)
    if meaning_of(label).kind in SENTENCES:
        return wordings.validation
    return _with_subjects(VALIDATION_SUBJECTS, wordings.validation or (argument,))


def held_out_paraphrases(label: str) -> tuple[str, ...]:
    """Return sentences for ``label`` that training never sees and nothing is chosen by."""
    kind, _, argument = label.partition(":")
    if kind == "said":
        return (argument,)
    if kind in ("task", "state"):
        return (SENTENCES[kind].held_out.format(argument),)
    wordings = _wordings(label)
    if meaning_of(label).kind in SENTENCES:
        return (wordings.held_out,)
    return _with_subjects(HELD_OUT_SUBJECTS, (wordings.held_out or argument,))


def training_queries(query: str) -> tuple[str, ...]:
    """Return the wordings of a query that training uses, the canonical one first."""
    return QUERIES[query]


def validation_queries(query: str) -> tuple[str, ...]:
    """Return wordings of a query that training never sees, to choose settings by."""
    return questions.VALIDATION[query]


def held_out_query(query: str) -> str:
    """Return a wording of a query that training never sees and nothing is chosen by."""
    return questions.HELD_OUT[query]


def _wordings(label: str) -> Wordings:
    """Return what can be said of a label, its places filled."""
    kind, _, argument = label.partition(":")
    meaning = meaning_of(label)
    own = meaning.kind in ("act", "task")  # no wording fits
    known = _NOTHING if own else (PREDICATES | SENTENCES)[meaning.kind]
    filled = Wordings(
        tuple(pattern.format(*meaning.arguments) for pattern in known.trained),
        tuple(pattern.format(*meaning.arguments) for pattern in known.validation),
        known.held_out.format(*meaning.arguments),
    )
    if kind != "act":
        return filled
    *further, held_out = ACTS.get(argument, (filled.held_out,))
    trained = dict.fromkeys([argument, *further, *filled.trained])
    return filled._replace(trained=tuple(trained), held_out=held_out)


def _states(sentence: str) -> Wordings:
    """Return sentences with the meaning of "the drawer is open" or "the cup is in the bin"."""
    thing, predicate = split_state(sentence)
    place = predicate.removeprefix("is ")
    known = STATES.get(predicate, PLACED if place.startswith(PREPOSITIONS) else _NOTHING)
    trained, validation = (
        tuple(f"{thing} {pattern.format(place)}" for pattern in patterns) for patterns in known[:2]
    )
    return Wordings((sentence, *trained), validation)


def _robot_sentences(predicates: Iterable[str], arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield every structure of every predicate, with one subject after the other."""
    subjects = cycle(SUBJECTS)
    thing = arguments[0] if arguments else ""
    for predicate in predicates:
        phrases = {
            "finite": predicate,
            "participle": participle(predicate),
            "passive": passive(predicate, thing),
        }
        for form, structure in STRUCTURES:
            if phrases[form]:
                yield structure.format(subject=next(subjects), phrase=phrases[form])


def _task_sentences(goal: str) -> Iterator[str]:
    """Yield sentences about a task: what the robot is doing, and what it was told to do."""
    predicates = _wordings(f"task:{goal}").trained
    yield from _each_of_each(SENTENCES["task"].trained, [goal, *map(participle, predicates)])
    yield from _each_of_each(ORDERS, map(imperative, predicates))


def _each_of_each(patterns: Iterable[str], phrases: Iterable[str]) -> list[str]:
    return [pattern.format(phrase) for pattern, phrase in product(patterns, phrases) if phrase]


def _with_subjects(subjects: Iterable[str], predicates: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{subject} {predicate}" for predicate in predicates for subject in subjects)


def _distinct(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


QUERIES = {
    query: _distinct(w.format(asked) for asked in questions.ASKED for w in wordings)
    for query, wordings in questions.TRAINED.items()
}
"""The wordings of each query that training uses, the canonical one first."""
