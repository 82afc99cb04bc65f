# SPDX-License-Identifier: Apache-2.0
"""Measure what a bundle's text side makes of words it was not taught, without any video.

``python -m vljepa_ros.recipes.default_model.evaluate_words --data data``

``validation`` and ``held-out`` count wordings whose nearest canonical sentence, among those of
the same query, is the one of their label. The second table is about what no label means, such as
pulling the window open in the words "the claw pries the window open": how often the right one of
all sentences about the window is nearest (``predicate``), and the right one of all sentences about
opening (``thing``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episode_groups import load_training
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES
from vljepa_ros.recipes.default_model.label_set import LabelSet, is_instruction
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.meanings import Meaning, meaning_of
from vljepa_ros.runtime.model import VLJepa

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Unit embeddings (N, D) of N texts."""

LabelWordings = Callable[[str], Sequence[str]]
"""The wordings of a label."""

VALIDATION: Mapping[str, LabelWordings] = {"validation": language.validation_paraphrases}
WORDINGS = {**VALIDATION, "held-out": language.held_out_paraphrases}

KINDS = (
    *("approach", "retreat", "grasp", "release", "lift", "put down", "open", "close"),
    *("push", "pull", "turn", "switch on", "switch off", "press down", "move left", "move right"),
)


def main() -> None:
    """Parse the command line, measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=None, help="default: the shipped bundle")
    parser.add_argument("--data", type=Path, default=Path("data"))
    args = parser.parse_args()
    model = VLJepa.load(args.bundle)
    label_set = LabelSet.of(load_training(args.data))

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([model.embed_text(text) for text in texts])

    print(wordings_table(embed, label_set, WORDINGS))
    print(combinations_table(embed, label_set.all()))


def wordings_table(
    embed: Embed, label_set: LabelSet, wordings: Mapping[str, LabelWordings]
) -> str:
    """Return a table: the wordings of each query that lie nearest to their label, in percent."""
    lines = [f"{'query':8}{'labels':>8}" + "".join(f"{use:>12}" for use in wordings)]
    for name in QUERY_NAMES:
        labels = [x for x in label_set.labels[name] if not is_instruction(x)]
        shares = [nearest(embed, labels, of) for of in wordings.values()]
        lines.append(f"{name:8}{len(labels):8}" + "".join(f"{share:12.1%}" for share in shares))
    return "\n".join(lines)


def nearest(embed: Embed, labels: Sequence[str], wordings: LabelWordings) -> float:
    """Return the share of wordings whose nearest canonical sentence is that of their label."""
    canonical = embed([language.canonical(label) for label in labels])
    pairs = [(row, text) for row, label in enumerate(labels) for text in wordings(label)]
    found = (embed([text for _, text in pairs]) @ canonical.T).argmax(1)
    return float(np.mean(found == [row for row, _ in pairs]))


def combinations_table(embed: Embed, labels: Sequence[str]) -> str:
    """Return a table about combinations of a predicate and a thing that no label has."""
    things = sorted({thing for label in labels for thing in _things(label)})
    known = {meaning_of(label) for label in labels}
    table = {(kind, thing): f"{kind}:{thing}" for kind in KINDS for thing in things}
    said = [language.canonical(label) for label in table.values()]
    sentences = embed(said).reshape(len(KINDS), len(things), -1)
    new = [pair for pair in table if Meaning(pair[0], pair[1:]) not in known]
    wordings = embed([language.validation_paraphrases(table[pair])[0] for pair in new])
    predicate, thing = np.array(
        [
            (
                rank(sentences[:, things.index(what)] @ vector, KINDS.index(kind)),
                rank(sentences[KINDS.index(kind)] @ vector, things.index(what)),
            )
            for (kind, what), vector in zip(new, wordings, strict=True)
        ]
    ).T
    lines = [f"{len(new)} new combinations{'candidates':>12}{'nearest':>10}{'mean rank':>11}"]
    for name, ranks, count in (("predicate", predicate, KINDS), ("thing", thing, things)):
        lines.append(f"{name:22}{len(count):12}{np.mean(ranks == 1):10.1%}{np.mean(ranks):11.2f}")
    return "\n".join(lines)


def rank(scores: NDArray[np.float32], right: int) -> int:
    """Return the place of the right candidate, the best being 1."""
    return 1 + int((scores > scores[right]).sum())


def _things(label: str) -> Iterator[str]:
    """Yield what the robot moves to or takes; states and goals name the same things."""
    if label.startswith(("approach:", "grasp:", "back:")):
        yield meaning_of(label).arguments[0]


if __name__ == "__main__":
    main()
