# SPDX-License-Identifier: Apache-2.0
"""Adapt the text tower to what is said of robots, on text alone, before the model is trained.

``python -m vljepa_ros.recipes.default_model.adapt_text --data data --out run``

The last layers of the tower learn that two wordings of a label mean the same, and that labels
which differ in one word do not. Ordinary sentences stay where they were. Stop it and start it
again: it continues from its last checkpoint. ``train_model`` takes what it leaves in ``run``.
"""

from __future__ import annotations

import argparse
import copy
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize
from tqdm import trange

from vljepa_ros.interrupts import Interrupts
from vljepa_ros.model.checkpoints.minilm import load_minilm
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.model.y_encoder import YEncoder
from vljepa_ros.recipes.default_model.adapted_minilm import (
    FILE,
    last_layers,
    load_adapted_minilm,
)
from vljepa_ros.recipes.default_model.episode_groups import load_training
from vljepa_ros.recipes.default_model.evaluate_words import (
    VALIDATION,
    combinations_table,
    wordings_table,
)
from vljepa_ros.recipes.default_model.label_set import LabelSet, is_instruction
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.simulation.counterfactuals import counterfactual_labels
from vljepa_ros.recipes.default_model.simulation.meanings import Meaning, meaning_of
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.training.checkpoint import read_checkpoint, write_checkpoint
from vljepa_ros.training.optimiser import set_rate, set_weights
from vljepa_ros.training.stage import Stage
from vljepa_ros.training.tokenize import Tokenize

STAGE = Stage(
    name="text",
    steps=600,
    batch=36,  # labels, each with two sentences
    learning_rate=1.5e-4,
    schedule="cosine",
    warmup=6,
    weight_decay=0.01,
    precision="fp32",
)
TEMPERATURE = 0.05
ORDINARY = 16  # ordinary sentences of a step, which should stay in their places
ORDINARY_WEIGHT = 4.0  # of their distance from these places in the loss
REAL_REPEATS = 4  # a label is drawn so many times as often as a counterfactual one
SAVE_EVERY = 20  # steps


def main() -> None:
    """Parse the command line, adapt and print what it changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("run"))
    args = parser.parse_args()
    label_set = LabelSet.of(load_training(args.data))
    if not adapt(label_set, args.out, STAGE):
        return
    for title, folder in (("before", None), ("after", args.out)):
        model = VLJepaModel(DEFAULT)
        text = FrozenText(model.y_encoder, load_adapted_minilm(model, folder), 1)
        print(title)
        print(wordings_table(text.embed, label_set, VALIDATION))
        print(combinations_table(text.embed, label_set.all()))


def adapt(label_set: LabelSet, out: Path, stage: Stage) -> bool:
    """Adapt MiniLM into ``out``, and return whether the last step was reached.

    Raises:
        ResumeError: the checkpoint in ``out`` is of another stage.
    """
    model = VLJepaModel(DEFAULT)
    tokenizer = Tokenize(load_minilm(model), DEFAULT.y_encoder.max_tokens)
    adaptation = TextAdaptation(model.y_encoder, tokenizer, label_set.all(), stage)
    out.mkdir(parents=True, exist_ok=True)
    first = adaptation.resume(out / FILE)
    with Interrupts() as interrupts:
        for step in trange(first, stage.steps, desc="adapt", unit="step"):
            adaptation.step(step)
            if interrupts.asked or (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
                adaptation.save(out / FILE, step + 1)
            if interrupts.asked:
                return step + 1 == stage.steps
    return True


class TextAdaptation:
    """The loop's state: the tower, a copy of it as it was, and the optimiser."""

    def __init__(
        self, y_encoder: YEncoder, tokenizer: Tokenize, labels: Sequence[str], stage: Stage
    ) -> None:
        """Take a Y-Encoder, whose tower is adapted in place, and the labels."""
        self._y_encoder, self._tokenizer, self._stage = y_encoder, tokenizer, stage
        self._before = copy.deepcopy(y_encoder).eval()
        y_encoder.tower.requires_grad_(False)
        self._weights = last_layers(y_encoder)
        for weight in self._weights.values():
            weight.requires_grad_(True)
        self._optimiser = torch.optim.AdamW(
            self._weights.values(), stage.learning_rate, weight_decay=stage.weight_decay
        )
        self._labels = ConfusableLabels(labels)
        ordinary = [language.canonical(x) for x in labels if is_instruction(x)]
        self._ordinary = ordinary + [each for of in language.QUERIES.values() for each in of]

    def step(self, step: int) -> float:
        """Adapt once, and return the loss."""
        set_rate(self._optimiser, self._stage.rate(step))
        loss = self._loss(np.random.default_rng([0, step]))
        self._optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._weights.values(), self._stage.clip_norm)
        self._optimiser.step()
        return loss.item()

    def resume(self, path: Path) -> int:
        """Continue from a checkpoint, if there is one, and return the step to do next."""
        state = read_checkpoint(path, self._stage, set(self._weights))
        if state is None:
            return 0
        set_weights(self._weights, state["weights"])
        self._optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])

    def save(self, path: Path, step: int) -> None:
        """Write a checkpoint: ``step`` steps are done."""
        state = {
            "step": step,
            "stage": self._stage.to_dict(),
            "weights": {name: weight.detach() for name, weight in self._weights.items()},
            "optimiser": self._optimiser.state_dict(),
        }
        write_checkpoint(path, state)

    def _loss(self, rng: np.random.Generator) -> Tensor:
        labels = self._labels.draw(rng, self._stage.batch)
        pairs = np.array([rng.choice(language.training_paraphrases(label), 2) for label in labels])
        ordinary = rng.choice(self._ordinary, ORDINARY).tolist()
        said = [*pairs.T.ravel().tolist(), *ordinary]
        sentences = self._y_encoder.sentence(*self._tokenizer(said))
        first, second = normalize(sentences[: 2 * len(labels)], dim=-1).chunk(2)
        logits = first @ second.T / TEMPERATURE
        right = torch.arange(len(labels))
        with torch.no_grad():
            before = self._before.sentence(*self._tokenizer(ordinary))
        moved = 1 - cosine_similarity(sentences[-ORDINARY:], before)
        apart = (cross_entropy(logits, right) + cross_entropy(logits.T, right)) / 2
        return apart + ORDINARY_WEIGHT * moved.mean()


class ConfusableLabels:
    """Draws labels of different meanings, among them many that differ in one word."""

    def __init__(self, labels: Sequence[str]) -> None:
        """Take the labels; counterfactual ones are added."""
        own = [label for label in labels if not is_instruction(label)]
        self._all = own * REAL_REPEATS + counterfactual_labels(own)
        self._near: dict[tuple[str, str], list[str]] = defaultdict(list)
        for label in dict.fromkeys(self._all):
            for key in _keys(meaning_of(label)):
                self._near[key].append(label)

    def draw(self, rng: np.random.Generator, count: int) -> list[str]:
        """Return at most ``count`` labels, each with another of its kind and one of its thing."""
        drawn: dict[Meaning, str] = {}
        for label in rng.permutation(self._all):
            near = [str(rng.choice(self._near[key])) for key in _keys(meaning_of(label))]
            for each in (str(label), *near):
                drawn.setdefault(meaning_of(each), each)
            if len(drawn) >= count:
                break
        return list(drawn.values())[:count]


def _keys(meaning: Meaning) -> list[tuple[str, str]]:
    """Return what labels that differ in one word have in common: the kind, or the thing."""
    if not meaning.arguments:
        return []
    return [("kind", meaning.kind), ("thing", meaning.arguments[0])]


if __name__ == "__main__":
    main()
