# SPDX-License-Identifier: Apache-2.0
"""Training a contestant, and measuring it at several points on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.paper.batches import ClipBatches, Encode, Questions
from benchmarks.paper.comparisons import TRAINED
from benchmarks.paper.contestants import RECIPES, Recipe
from benchmarks.paper.frame_model import FrameModel
from benchmarks.paper.material import Material, Scale
from benchmarks.paper.report import missing
from benchmarks.paper.results import Result, Results
from benchmarks.paper.tasks import Answering, EmbeddingAnswers, TokenAnswers, measure
from benchmarks.paper.token_model import TokenModel
from vljepa_ros.model.checkpoints.minilm import load_minilm
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.training.batch import Batch
from vljepa_ros.training.stage import Stage
from vljepa_ros.training.trainer import StepFigures, Trainer


def train(contestant: str, seed: int, material: Material, results: Results, folder: Path) -> bool:
    """Train a contestant, or go on with it, and return whether it has seen all its clips.

    Args:
        contestant: a key of ``RECIPES``.
        seed: of its first weights and of its batches.
        material: what teaches and tests.
        results: get what is measured.
        folder: keeps checkpoints.
    """
    recipe = RECIPES[contestant]
    torch.manual_seed(seed)
    model = recipe.make(recipe.config, material.vocabulary)
    load_minilm(model)
    stages = len(recipe.asked)
    for number, asked in enumerate(recipe.asked):
        before, after = (material.scale.steps * n // stages for n in (number, number + 1))
        stage = _stage(recipe, number, after - before, material.scale)
        questions = Questions(material.text, asked=asked)
        points = Points(contestant, seed, material, results, questions, before)
        trainer = MeasuredTrainer(
            model,
            stage,
            ClipBatches(
                material.taught,
                material.wordings,
                questions,
                encoding(model, material),
                recipe.config,
                stage.batch,
                seed * stages + number,
                _tokens(model),
            ),
            folder / f"{contestant}, seed {seed}" / stage.name,
            validate=points,
            save_every=max(1, material.scale.steps // material.scale.points),
        )
        if not trainer.run():
            return False
    if missing(results, [(contestant, seed)], material.scale.clips):  # stopped at the last step
        points.steps = stage.steps
        points(model)
    return True


def _stage(recipe: Recipe, number: int, steps: int, scale: Scale) -> Stage:
    return Stage(
        name=f"stage-{number}",
        steps=steps,
        batch=scale.batch,
        learning_rate=1.2e-3,
        schedule="cosine",
        warmup=min(100, steps // 10),
        precision=scale.precision,
        **dict(recipe.loss),
    )


def _tokens(model: VLJepaModel) -> int:
    """Return the visual tokens of which some are dropped."""
    config = model.config
    whole = config.visual_tokens
    return whole // config.clip_frames if isinstance(model, FrameModel) else whole


def encoding(model: VLJepaModel, material: Material) -> Encode:
    """Return how a model takes sentences: as words, tokens, or as the frozen tower sees them."""
    if isinstance(model, TokenModel):
        return model.encode
    return material.cut if model.config.y_encoder.rate > 0 else material.embedded


def answering(model: VLJepaModel, material: Material) -> Answering:
    """Return a model as it answers."""
    if isinstance(model, TokenModel):
        return TokenAnswers(model, material.wordings)
    canonical = [each[0] for each in material.wordings.paraphrases]
    texts = encoding(model, material)(canonical)
    with torch.inference_mode():
        bank = (
            model.y_encoder.project(texts)
            if isinstance(texts, Tensor)
            else model.embed_text(texts)
        )
    return EmbeddingAnswers(model, material.wordings, bank)


class MeasuredTrainer(Trainer):
    """Trains either kind of model, and tells the points how far it is."""

    def step(self, step: int, shares: Iterator[Batch]) -> StepFigures:
        """Train a step."""
        figures = super().step(step, shares)
        assert isinstance(self._validate, Points)
        self._validate.steps = step + 1
        return figures

    def loss(self, step: int, batch: Batch) -> Tensor:
        """Return the loss of a batch."""
        if isinstance(self.model, TokenModel):
            with self.autocast():
                return self.model.loss(batch)
        return super().loss(step, batch)


class Points:
    """Measures a contestant on the clips that test, and keeps the result.

    Attributes:
        steps: of the stage that are done.
    """

    def __init__(
        self,
        contestant: str,
        seed: int,
        material: Material,
        results: Results,
        questions: Questions,
        before: int,
    ) -> None:
        """Take what is measured and where it is kept; ``before`` are steps of earlier stages."""
        self._of, self._material, self._results = (contestant, seed), material, results
        self._questions, self._before = questions, before
        self.steps = 0

    def __call__(self, model: VLJepaModel) -> dict[str, float]:
        """Measure the model as it is now."""
        material, scale = self._material, self._material.scale
        found = measure(
            answering(model, material),
            material.tested,
            material.wordings,
            self._questions,
            model.config,
            scale.tested,
        )
        figures = {
            **found,
            "parameters_m": _trained_millions(model),
            "predictor_m": _trained_millions(model.predictor),
        }
        clips = (self._before + self.steps) * scale.batch
        self._results.add([Result(TRAINED, *self._of, clips, figures)])
        return figures


def _trained_millions(module: nn.Module) -> float:
    return sum(p.numel() for p in module.parameters() if p.requires_grad) / 1e6
