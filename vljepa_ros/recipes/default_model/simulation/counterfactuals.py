# SPDX-License-Identifier: Apache-2.0
"""Labels that differ from others in one word: the opposite of what happens, or another thing.

Their sentences are negatives of a training step. Without them a model learns only what tells the
labels of the training set apart, and "opens the cupboard" may lie beside "closes the drawer".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice

from vljepa_ros.recipes.default_model.simulation.meanings import (
    IN_OWN_WORDS,
    Meaning,
    goal_of,
    meaning_of,
    split_state,
)

OTHERS_EACH = 4  # other things that stand in for a label's own

OPPOSITES = {
    "approach": "retreat",
    "retreat": "approach",
    "grasp": "release",
    "lift": "put down",
    "carry": "take out",
    "open": "close",
    "close": "open",
    "lock": "unlock",
    "unlock": "lock",
    "press": "release",
    "press down": "raise",
    "raise": "press down",
    "push": "pull",
    "pull": "push",
    "switch on": "switch off",
    "move left": "move right",
    "move right": "move left",
    "put in": "take out",
    "take out": "put in",
    "put on": "take off",
    "take off": "put on",
    "fold": "unfold",
}

# things that stand in for a label's own in sentences that are the answer to nothing
OTHER_NOUNS = (
    "the cupboard",
    "the cup",
    "the bowl",
    "the bottle cap",
    "the red cube",
    "the green cube",
    "the towel",
    "the spoon",
    "the fork",
    "the knife",
    "the plate rack",
    "the pot",
    "the pan",
    "the sponge",
    "the oven door",
    "the fridge",
    "the microwave",
    "the toaster",
    "the kettle",
    "the lamp",
    "the book",
    "the pen",
    "the marker",
    "the banana",
    "the apple",
    "the can",
    "the carton",
    "the jar",
    "the bread",
    "the basket lid",
    "the screwdriver",
    "the bolt",
    "the nut",
    "the tray",
    "the chair",
    "the remote control",
    "the phone",
    "the cable",
    "the plug",
    "the switch",
    "the valve",
    "the wheel",
    "the gate",
    "the curtain",
    "the suitcase",
    "the toy car",
    "the soft toy",
    "the shoe",
    "the cloth",
    "the paper bag",
)


def counterfactual_labels(labels: Sequence[str]) -> list[str]:
    """Return labels that differ from one of ``labels`` in one word and mean none of them."""
    known = {meaning_of(label) for label in labels}
    words = set(re.findall(r"\w+", " ".join(labels)))
    nouns = cycle(noun for noun in OTHER_NOUNS if noun.split()[-1] not in words)
    found = dict.fromkeys(
        other for label in labels for other in _others(label, islice(nouns, OTHERS_EACH))
    )
    return [label for label in found if meaning_of(label) not in known]


def _others(label: str, nouns: Iterable[str]) -> Iterator[str]:
    """Yield the label with the opposite kind, and labels about other things.

    A label that no wording fits names no thing that another could stand in for.
    """
    meaning = meaning_of(label)
    if not meaning.arguments or meaning.kind in IN_OWN_WORDS:
        return
    first, *rest = meaning.arguments
    if meaning.kind == "state":
        predicate = split_state(first)[1]
        yield from (f"state:{noun} {predicate}" for noun in nouns if predicate)
        return
    if meaning.kind in OPPOSITES:
        yield _label(label, Meaning(OPPOSITES[meaning.kind], meaning.arguments))
    for noun in nouns:
        yield _label(label, Meaning(meaning.kind, (noun, *rest)))


def _label(like: str, meaning: Meaning) -> str:
    """Return a label with another meaning, of the same kind of query as ``like``."""
    if like.startswith("task:"):
        return f"task:{goal_of(meaning)}"
    return f"{meaning.kind}:{'|'.join(meaning.arguments)}"
