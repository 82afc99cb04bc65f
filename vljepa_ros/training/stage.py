# SPDX-License-Identifier: Apache-2.0
"""A training stage: everything that is set, in one frozen, validated place.

A run is a list of stages (:data:`PAPER_STAGES` is the paper's); each starts with the weights that
the one before it left.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vljepa_ros.fields import FieldError, FieldReader

SCHEDULES = ("constant", "cosine")
LOSSES = ("info_nce", "sigreg")
PRECISIONS = ("bf16", "fp32")
LAST_SHARE = 0.01  # of the learning rate at the end of a cosine


class StageError(ValueError):
    """A stage is incomplete or one of its values is not valid."""


@dataclass(frozen=True)
class Stage:
    """How to train for a number of steps.

    Attributes:
        name: letters, digits and -; the stage's folder is called after it.
        steps: optimiser steps.
        batch: clips of a step, over all processes.
        learning_rate: the highest one of AdamW.
        frames: frames of a clip; 1 trains on images.
        micro_batches: parts of a process' share that are computed one after the other, if the
            whole does not fit into memory. Each part has only its own texts as negatives.
        schedule: of the learning rate after the warm-up: ``constant``, or ``cosine`` down to a
            hundredth.
        warmup: steps in which the learning rate rises from 0.
        weight_decay: of AdamW, on matrices only.
        loss: ``info_nce``, or ``sigreg`` with the next two weights.
        sigreg_predicted: weight of SIGReg on the predictions.
        sigreg_text: weight of SIGReg on the texts.
        queries: True asks each clip its own question, False asks for a description of each.
        sources: shares of the data sets, by name; empty takes all given ones equally.
        precision: ``fp32``, or ``bf16`` for mixed precision (torch.autocast with bfloat16).
        average_decay: decay of the exponential moving average of the weights, which is what the
            stage leaves; 0 leaves the weights themselves.
        clip_norm: longest gradient; 0 sets no limit.
        train_x_encoder: True trains the X-Encoder as well; one on a frozen image trunk always
            learns.
        seed: of the choice of samples.
    """

    name: str
    steps: int
    batch: int
    learning_rate: float
    frames: int = 8
    micro_batches: int = 1
    schedule: str = "constant"
    warmup: int = 0
    weight_decay: float = 0.05
    loss: str = "info_nce"
    sigreg_predicted: float = 0.02
    sigreg_text: float = 0.02
    queries: bool = True
    sources: dict[str, float] = field(default_factory=dict)
    precision: str = "bf16"
    average_decay: float = 0.0
    clip_norm: float = 1.0
    train_x_encoder: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise StageError if a value is not valid."""
        for name in ("steps", "batch", "frames", "micro_batches"):
            self._check(name, getattr(self, name) >= 1, "must be at least 1")
        for name in ("warmup", "weight_decay", "clip_norm"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        self._check("learning_rate", self.learning_rate > 0, "must be above 0")
        self._check("average_decay", 0 <= self.average_decay < 1, "must be in [0, 1)")
        for name, allowed in (
            ("schedule", SCHEDULES),
            ("loss", LOSSES),
            ("precision", PRECISIONS),
        ):
            self._check(name, getattr(self, name) in allowed, f"is none of {', '.join(allowed)}")
        self._check("batch", self.batch % self.micro_batches == 0, "has no equal micro_batches")
        weights = (self.sigreg_predicted, self.sigreg_text)
        self._check("sigreg_text", min(weights) >= 0 and sum(weights) < 1, "leaves no prediction")
        shares = self.sources.values()
        self._check("sources", all(share > 0 for share in shares), "must have shares above 0")
        self._check("name", self.name.replace("-", "").isalnum(), "must be letters, digits and -")

    def _check(self, name: str, good: bool, complaint: str) -> None:
        if not good:
            raise StageError(f"stage {self.name!r}: {name} {getattr(self, name)!r} {complaint}")

    def check_tubelet(self, tubelet: int) -> None:
        """Raise StageError if the clips are neither images nor whole tubelets of a model."""
        whole = self.frames == 1 or self.frames % tubelet == 0
        self._check("frames", whole, f"must be 1 or a multiple of the model's tubelet, {tubelet}")

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, of which the first is 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.learning_rate
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * (LAST_SHARE + (1 - LAST_SHARE) * cosine)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a file or a checkpoint."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Stage:
        """Read what :meth:`to_dict` wrote, or less: what is not given has its default.

        Raises:
            StageError: a field is missing, unknown or not valid.
        """
        try:
            return FieldReader(values).dataclass(Stage, complete=False)
        except FieldError as error:
            raise StageError(f"stage {values.get('name', '?')!r}: {error}") from error


class _YamlLoader(yaml.SafeLoader):
    """Takes 5e-5 for a number, as YAML 1.2 and JSON do; YAML 1.1 takes it for a text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_stages(path: Path) -> tuple[Stage, ...]:
    """Read the stages, an array, of a JSON or YAML file.

    Raises:
        StageError: the file is neither, or a stage is not valid.
    """
    text = path.read_text(encoding="utf-8")
    try:
        values = json.loads(text) if path.suffix == ".json" else yaml.load(text, _YamlLoader)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise StageError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, list) or not all(isinstance(one, Mapping) for one in values):
        raise StageError(f"{path} must hold an array of stages")
    stages = tuple(Stage.from_dict(one) for one in values)
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise StageError(f"{path} must hold at least one stage, and each name once")
    return stages


# Steps, rates and the first and last batch are the paper's (section 3.2 of version 2), the batches
# rounded to what its 192 GPUs share evenly. It does not give the batch of the video stages (here:
# what is left of 3.3 billion samples), the rate of the last stage, nor the shares of its data.
PAPER_STAGES = (
    Stage(
        name="images",
        steps=100_000,
        batch=24_576,
        learning_rate=5e-5,
        frames=1,
        queries=False,
        sources={"datacomp": 0.8, "yfcc100m": 0.2},
    ),
    Stage(
        name="video-8",
        steps=60_000,
        batch=18_432,
        learning_rate=5e-5,
        frames=8,
        queries=False,
        sources={"action100m": 1.0},
    ),
    Stage(
        name="video-32",
        steps=10_000,
        batch=18_432,
        learning_rate=5e-5,
        frames=32,
        queries=False,
        sources={"action100m": 1.0},
    ),
    Stage(
        name="queries",
        steps=83_000,
        batch=3_072,
        learning_rate=5e-5,
        frames=32,
        schedule="cosine",
        sources={"plm": 0.8, "datacomp": 0.1, "action100m": 0.1},
    ),
)
