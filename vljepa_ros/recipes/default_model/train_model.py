# SPDX-License-Identifier: Apache-2.0
"""Train the default model: ``python -m vljepa_ros.recipes.default_model.train_model``.

Stop it and start it again: it continues from its last checkpoint on the same curve. At the end
``run/model`` holds the model, ready for ``vljepa export``.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.directory import save_model
from vljepa_ros.model.presets import DEFAULT
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.recipes.default_model.adapted_minilm import load_adapted_minilm
from vljepa_ros.recipes.default_model.dataset import ClipSet, EpisodeBatches
from vljepa_ros.recipes.default_model.episodes import QUERY_NAMES, load_episodes
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.sentences import Sentences
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.training.stage import Stage
from vljepa_ros.training.trainer import Trainer

LICENCES = {
    "frame_encoder": "EfficientNet-Lite0, ImageNet weights, Apache-2.0",
    "x_encoder": "Apache-2.0 (trained by this repository)",
    "predictor": "Apache-2.0 (trained by this repository)",
    "y_encoder": "all-MiniLM-L6-v2, Apache-2.0, with this repository's linear head",
    "y_decoder": "Apache-2.0 (trained by this repository)",
    "data": "Meta-World (MIT) rendered by MuJoCo (Apache-2.0)",
}
VALIDATION_CLIPS = 1000
VALIDATION_BATCH = 64


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("run"))
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    train(args.data, args.out, default_stage(args.steps))


def default_stage(steps: int) -> Stage:
    """Return the one stage of the default model: with queries from the first step on."""
    return Stage(
        name="default",
        steps=steps,
        batch=64,
        learning_rate=1.2e-3,
        schedule="cosine",
        warmup=100,
        weight_decay=0.05,
        average_decay=0.998,
        precision="fp32",  # bfloat16 is slower on CPUs that only emulate it
    )


def train(data: Path, out: Path, stage: Stage) -> None:
    """Train on the episodes in ``data`` and write the model directory ``out/model``."""
    torch.manual_seed(0)
    model = VLJepaModel(DEFAULT)
    tokenizer = load_adapted_minilm(model, out)
    episodes = load_episodes(data, "train")
    label_set = LabelSet.of(episodes)
    text = FrozenText(model.y_encoder, tokenizer, DEFAULT.predictor.max_query_tokens)
    sentences = Sentences(label_set, text)
    features = EpisodeFeatures(data)
    clips = ClipSet(episodes, features, DEFAULT, label_set)
    batches = EpisodeBatches(clips, sentences, DEFAULT, stage.batch)
    unseen = ClipSet(load_episodes(data, "val"), features, DEFAULT, label_set)
    trainer = Trainer(model, stage, batches, out, validate=Accuracy(unseen, sentences, label_set))
    if trainer.run():
        save_model(
            out / "model",
            model,
            text_tokenizer=tokenizer,
            queries={name: language.QUERIES[name][0] for name in QUERY_NAMES},
            phrases=_phrases(label_set),
            licences=LICENCES,
        )


class Accuracy:
    """Each query's top-1 accuracy on validation clips, among its own labels."""

    def __init__(self, clips: ClipSet, sentences: Sentences, label_set: LabelSet) -> None:
        """At most VALIDATION_CLIPS clips are taken, spread evenly over the split."""
        self._clips, self._sentences, self._label_set = clips, sentences, label_set
        count = min(VALIDATION_CLIPS, len(clips))
        rows = np.linspace(0, len(clips) - 1, count).astype(np.int64)
        self._parts = np.array_split(rows, math.ceil(count / VALIDATION_BATCH))

    @torch.no_grad()
    def __call__(self, model: VLJepaModel) -> dict[str, float]:
        """Measure a model."""
        candidates = model.y_encoder.project(self._sentences.canonical())
        hits = torch.cat([self._hits(model, rows, candidates) for rows in self._parts])
        accuracy = hits.float().mean(0)
        return {name: round(float(a), 4) for name, a in zip(QUERY_NAMES, accuracy, strict=True)}

    def _hits(self, model: VLJepaModel, rows: NDArray[np.int64], candidates: Tensor) -> Tensor:
        queries = self._sentences.queries(np.zeros((len(rows), len(QUERY_NAMES)), np.int64))
        answers = model.embed(self._clips.clips(self._clips.frames(rows)), queries)
        found = self._top1(answers @ candidates.T)
        return found == torch.from_numpy(self._clips.targets[rows])

    def _top1(self, scores: Tensor) -> Tensor:
        best, first = [], 0
        for i, name in enumerate(QUERY_NAMES):
            last = first + len(self._label_set.labels[name])
            best.append(scores[:, i, first:last].argmax(-1) + first)
            first = last
        return torch.stack(best, -1)


def _phrases(label_set: LabelSet) -> dict[str, list[str]]:
    return {
        name: [language.canonical(label) for label in label_set.labels[name]]
        for name in QUERY_NAMES
    }


if __name__ == "__main__":
    main()
