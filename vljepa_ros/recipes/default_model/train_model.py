# SPDX-License-Identifier: Apache-2.0
"""Train the default model: ``python -m vljepa_ros.recipes.default_model.train_model``.

Stages as in the paper: *base* learns captions without queries, *queries* the answers to questions.
Both see short streams, because many scenes teach more than long ones. *streams* goes on with
streams that fill the memory. Stop it and start it again: it continues from its last checkpoint on
the same curve. At the end ``run/model`` holds the model, and ``run/1-base/model`` that of the
first stage, both ready for ``vljepa export``. Under torchrun it runs on as many processes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.directory import load_model, save_model
from vljepa_ros.model.presets import DEFAULT_STREAMING
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.recipes.default_model.accuracy import Accuracy
from vljepa_ros.recipes.default_model.adapted_minilm import load_adapted_minilm
from vljepa_ros.recipes.default_model.captions import Captions
from vljepa_ros.recipes.default_model.episode_groups import load_training, load_validation
from vljepa_ros.recipes.default_model.episodes import (
    DROID,
    METAWORLD,
    QUERY_NAMES,
    ROBOSUITE,
    StoredEpisode,
    simulated,
)
from vljepa_ros.recipes.default_model.features import EpisodeFeatures
from vljepa_ros.recipes.default_model.frame_set import FrameSet
from vljepa_ros.recipes.default_model.label_set import LabelSet
from vljepa_ros.recipes.default_model.sentences import Sentences
from vljepa_ros.recipes.default_model.simulation import language
from vljepa_ros.recipes.default_model.stream_batches import StreamBatches, Texts
from vljepa_ros.recipes.default_model.texts import FrozenText
from vljepa_ros.recordings.sample import DESCRIBE
from vljepa_ros.training.distributed import barrier, rank, started_processes
from vljepa_ros.training.stage import PRECISIONS, Stage
from vljepa_ros.training.trainer import Trainer

LICENCES = {
    "frame_encoder": "EfficientNet-Lite0, ImageNet weights, Apache-2.0",
    "x_encoder": "Apache-2.0 (trained by this repository)",
    "predictor": "Apache-2.0 (trained by this repository)",
    "y_encoder": "all-MiniLM-L6-v2, Apache-2.0, adapted here, with a linear head of ours",
    "y_decoder": "Apache-2.0 (trained by this repository)",
    "data": "Meta-World and robosuite (MIT) rendered by MuJoCo (Apache-2.0); DROID (CC BY 4.0)",
}
SHARES = {METAWORLD: 0.75, ROBOSUITE: 0.15, DROID: 0.1}
SAVE_EVERY = 500


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("run"))
    parser.add_argument("--steps", type=int, default=13_500, help="of all stages together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="fp32",
        help="bf16 is faster on CPUs that have it in hardware, and slower on all others",
    )
    args = parser.parse_args()
    with started_processes():
        recipe = Recipe(args.data, args.out, args.seed)
        recipe.run(*stages(args.steps, args.precision))


class Stages(NamedTuple):
    """What the model passes, in this order."""

    base: Stage
    queries: Stage
    streams: Stage


def stages(steps: int, precision: str = "fp32") -> Stages:
    """Return the stages that have so many steps together, in ``bf16`` or ``fp32``."""
    base = Stage(
        name="base",
        steps=round(steps * 2 / 9),
        batch=64,
        frames=8,  # those of two tubelets
        learning_rate=1.2e-3,
        warmup=200,
        queries=False,
        average_decay=0.998,
        precision=precision,
    )
    queries = replace(base, name="queries", steps=round(steps * 5 / 9), queries=True)
    return Stages(
        base,
        queries,
        replace(
            queries,
            name="streams",
            steps=steps - base.steps - queries.steps,
            batch=32,
            frames=DEFAULT_STREAMING.clip_frames,
            schedule="cosine",
        ),
    )


class Lesson(NamedTuple):
    """What a stage teaches.

    Attributes:
        texts: the queries, and the candidate answers.
        targets: the candidate that answers each query, or -1, (frames, queries).
        questions: what validation asks, by the names of the queries.
    """

    texts: Texts
    targets: NDArray[np.int64]
    questions: dict[str, str]


class Recipe:
    """The model's way through its stages, on the episodes in a folder."""

    def __init__(
        self, data: Path, out: Path, seed: int = 0, config: ModelConfig = DEFAULT_STREAMING
    ) -> None:
        """Make the model, and read the episodes."""
        torch.manual_seed(seed)
        self._out, self._seed = out, seed
        self.model = VLJepaModel(config)
        self._tokenizer = load_adapted_minilm(self.model, out)
        longest = config.predictor.max_query_tokens
        self._text = FrozenText(self.model.y_encoder, self._tokenizer, longest)
        self._features = EpisodeFeatures(data)
        self._train = load_training(data)
        self._val = load_validation(data)

    def run(self, base: Stage, queries: Stage, streams: Stage) -> None:
        """Run what is left of the stages, and write the models."""
        out, questions = self._out, cache(self._questions)  # two stages ask the same
        for stage, folder, lesson, result in (
            (base, "1-base", self._captions, out / "1-base/model"),
            (queries, "2-queries", questions, out / "2-queries/model"),
            (streams, "3-streams", questions, out / "model"),
        ):
            if not self._stage(stage, folder, lesson, result):
                return

    def _stage(
        self, stage: Stage, folder: str, lesson: Callable[[], Lesson], result: Path
    ) -> bool:
        """Run a stage, and return whether it came to its end; if that was before, read it."""
        if result.exists():
            self.model.load_state_dict(load_model(result).state_dict())
            return True
        texts, targets, questions = lesson()
        families = {episode.family for episode in self._train}
        sources = {name: SHARES[name] for name in sorted(families)}
        stage = replace(stage, sources=sources, seed=self._seed)
        trainer = Trainer(
            self.model,
            stage,
            StreamBatches(self._frames, targets, texts, self.model.config, stage),
            self._out / folder,
            validate=Accuracy(self._val, self._features, self._text, list(questions.values())),
            save_every=SAVE_EVERY,
        )
        finished = trainer.run()
        if finished and rank() == 0:
            save_model(
                result,
                self.model,
                text_tokenizer=self._tokenizer,
                queries=questions,
                phrases=_phrases(self._train),
                licences=LICENCES,
            )
        barrier()
        return finished

    @cached_property
    def _frames(self) -> FrameSet:
        return FrameSet(self._train, self._features, self.model.config)

    def _captions(self) -> Lesson:
        captions = Captions(self._train, self._text)
        targets = np.concatenate([captions.targets(episode) for episode in self._train])
        return Lesson(captions, targets, dict.fromkeys(QUERY_NAMES, DESCRIBE))

    def _questions(self) -> Lesson:
        label_set = LabelSet.of(self._train)
        rows = label_set.rows()
        targets = np.concatenate([_targets(rows, episode) for episode in self._train])
        questions = {name: language.QUERIES[name][0] for name in QUERY_NAMES}
        return Lesson(Sentences(label_set, self._text), targets, questions)


def _targets(rows: Mapping[tuple[str, str], int], episode: StoredEpisode) -> NDArray[np.int64]:
    """Return the row that answers each query in each frame (F, Q), or -1."""
    answers = [
        [-1 if label is None else rows[name, label] for label in episode.labels[name]]
        for name in QUERY_NAMES
    ]
    return np.array(answers).T


def _phrases(episodes: Sequence[StoredEpisode]) -> dict[str, list[str]]:
    """Return the canonical sentences of all labels but what people said of single clips."""
    labels = LabelSet.of(simulated(episodes)).labels
    return {name: [language.canonical(label) for label in of] for name, of in labels.items()}


if __name__ == "__main__":
    main()
