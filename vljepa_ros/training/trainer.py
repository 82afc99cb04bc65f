# SPDX-License-Identifier: Apache-2.0
"""The training loop of one stage, on one process or on many.

A step follows from its number, the weights and the optimiser's state: nothing is drawn at random
but from the step's own seed, and the models have no dropout. So a run that is stopped continues
from its last checkpoint on the same curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

from vljepa_ros.interrupts import Interrupts, ignore_interrupts
from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.training.batch import Batch, Batches
from vljepa_ros.training.checkpoint import read_checkpoint, write_checkpoint
from vljepa_ros.training.distributed import Joined, any_process, join, rank, world
from vljepa_ros.training.losses import info_nce, regularised_prediction
from vljepa_ros.training.optimiser import (
    ExponentialAverage,
    make_optimiser,
    set_rate,
    set_weights,
    trained_weights,
)
from vljepa_ros.training.stage import Stage
from vljepa_ros.training.training_log import StepFigures, TrainingLog

SAVE_EVERY = 250

Validate = Callable[[VLJepaModel], dict[str, float]]


class TrainingError(RuntimeError):
    """A run cannot start or cannot go on; the text says why and what to do."""


class Trainer:
    """Trains a model through one stage and keeps its state in ``out``/checkpoint.pt.

    If torchrun started the processes (:func:`.distributed.started_processes`), each of them makes
    its own trainer, and process 0 writes.
    """

    def __init__(
        self,
        model: VLJepaModel,
        stage: Stage,
        batches: Batches,
        out: Path,
        *,
        device: torch.device | None = None,
        validate: Validate | None = None,
        save_every: int = SAVE_EVERY,
        workers: int = 0,
    ) -> None:
        """Bring the model to the device and continue from a checkpoint, if there is one.

        Args:
            model: it is trained in place.
            stage: how to train.
            batches: what each step sees.
            out: folder of the checkpoint and the log.
            device: None is the CPU.
            validate: called on the averaged model whenever it is saved; its figures are logged.
            save_every: steps between checkpoints.
            workers: processes that make batches ahead of time; 0 makes them in between.

        Raises:
            TrainingError: the batch cannot be shared among processes and micro-batches.
            ResumeError: the checkpoint is of another stage or model.
        """
        self.model = model.to(device or torch.device("cpu"))
        self.stage, self.out, self.device = stage, out, self.model.log_scale.device
        self._batches, self._workers = batches, workers
        self._validate, self._save_every = validate, save_every
        self._parts = world() * stage.micro_batches
        if stage.batch % self._parts:
            raise TrainingError(
                f"stage {stage.name!r}: batch {stage.batch} cannot be shared by {world()} "
                f"processes of {stage.micro_batches} micro-batches: change one of them"
            )
        self.weights = trained_weights(model, stage)
        self.optimiser = make_optimiser(self.weights, stage, model.config.y_encoder.rate)
        self.average = ExponentialAverage(self.weights, stage.average_decay)
        self.start = self._resume()
        self._parallel = self._distributed() if world() > 1 else self.model

    def run(self) -> bool:
        """Train to the last step, and return whether that was reached; leave on SIGTERM, Ctrl-C.

        After the last step the model has the averaged weights.

        Raises:
            TrainingError: the loss or its gradient is not finite.
        """
        step = self.start
        with Interrupts() as interrupts, TrainingLog(self.out, self.stage, self.start) as log:
            for step, shares in self._steps():
                log.step(step, self.step(step, shares))
                stopped = any_process(interrupts.asked, self.device)
                due = (step + 1) % self._save_every == 0 or step + 1 == self.stage.steps
                if due or stopped:
                    log.saved(step + 1, {} if stopped else self._measure())
                    self._save(step + 1)
                if stopped:
                    break
        finished = self.start >= self.stage.steps or step + 1 == self.stage.steps
        if finished:
            self.average.apply()
        return finished

    def step(self, step: int, shares: Iterator[Batch]) -> StepFigures:
        """Train on this process' micro-batches of a step."""
        rate = self.stage.rate(step)
        set_rate(self.optimiser, rate)
        losses = [
            self._learn(step, next(shares), last=number + 1 == self.stage.micro_batches)
            for number in range(self.stage.micro_batches)
        ]
        longest = self.stage.clip_norm or math.inf
        gradient = float(torch.nn.utils.clip_grad_norm_(self.weights.values(), longest))
        loss = float(torch.stack(losses).sum())
        if not (math.isfinite(loss) and math.isfinite(gradient)):
            raise TrainingError(
                f"stage {self.stage.name!r}: the loss of step {step} is {loss} and its gradient "
                f"{gradient}: lower learning_rate, lengthen warmup or look for damaged data"
            )
        temperature = float(1 / self.model.scale.detach())
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.average.update()
        return StepFigures(loss, rate, temperature, gradient)

    def loss(self, step: int, batch: Batch) -> Tensor:
        """Return the loss of a batch, joined with the other processes' shares of it."""
        with self.autocast():
            predicted, candidates, scale = self._parallel(
                batch.visual, batch.queries, batch.texts, batch.token_mask, batch.streams
            )
        joined = join(predicted.float(), candidates.float(), batch)
        return objective(self.stage, step, joined, scale, batch.groups)

    def autocast(self) -> torch.autocast:
        """Return the context in which a forward pass has the stage's precision."""
        bf16 = self.stage.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)

    def _learn(self, step: int, batch: Batch, *, last: bool) -> Tensor:
        """Add a micro-batch's gradient; the processes exchange theirs after the last one."""
        alone = isinstance(self._parallel, DistributedDataParallel) and not last
        with self._parallel.no_sync() if alone else nullcontext():
            loss = self.loss(step, _to(self.device, batch)) / self.stage.micro_batches
            loss.backward()
        return loss.detach()

    def _steps(self) -> Iterator[tuple[int, Iterator[Batch]]]:
        """Yield the steps that are left, each with this process' micro-batches."""
        shares = [
            (step, number * world() + rank())
            for step in range(self.start, self.stage.steps)
            for number in range(self.stage.micro_batches)
        ]
        loader = iter(
            DataLoader(
                _Shares(self._batches, self._parts),
                batch_size=None,
                sampler=shares,
                num_workers=self._workers,
                worker_init_fn=ignore_interrupts,
            )
        )
        for step in range(self.start, self.stage.steps):
            yield step, loader

    def _measure(self) -> dict[str, float]:
        """Validate the averaged model, in process 0."""
        if self._validate is None or rank() > 0:
            return {}
        self.model.eval()
        with self.average.applied():
            figures = self._validate(self.model)
        self.model.train()
        return figures

    def _save(self, step: int) -> None:
        if rank() > 0:
            return
        state = {
            "step": step,
            "stage": self.stage.to_dict(),
            "weights": {name: weight.detach() for name, weight in self.weights.items()},
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        write_checkpoint(self.out / "checkpoint.pt", state)

    def _resume(self) -> int:
        self.out.mkdir(parents=True, exist_ok=True)
        state = read_checkpoint(self.out / "checkpoint.pt", self.stage, set(self.weights))
        if state is None:
            return 0
        set_weights(self.weights, state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])

    def _distributed(self) -> DistributedDataParallel:
        own_image_embedding = self.stage.train_x_encoder and (
            self.model.config.x_encoder.image_tokens
        )
        return DistributedDataParallel(
            self.model,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            # V-JEPA 2.1 has patch embeddings for images and for videos, and a step uses one.
            find_unused_parameters=own_image_embedding,
        )


def objective(
    stage: Stage, step: int, joined: Joined, scale: Tensor, groups: Tensor | None = None
) -> Tensor:
    """Return the stage's loss of joined embeddings."""
    if stage.loss == "info_nce":
        return info_nce(joined.predicted, joined.candidates, joined.targets, scale, groups)
    return regularised_prediction(
        joined.predicted,
        joined.candidates,
        joined.targets,
        predicted_weight=stage.sigreg_predicted,
        text_weight=stage.sigreg_text,
        seed=step,
    )


class _Shares(Dataset[Batch]):
    """Batches by (step, part), so that a DataLoader's workers can make them."""

    def __init__(self, batches: Batches, parts: int) -> None:
        self._batches, self._parts = batches, parts

    def __getitem__(self, share: tuple[int, int]) -> Batch:
        step, part = share
        return self._batches.batch(step, part, self._parts)


def _to(device: torch.device, value: Any) -> Any:
    """Return a batch, or a part of one, on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Batch):
        moved = {one.name: _to(device, getattr(value, one.name)) for one in fields(value)}
        return replace(value, **moved)
    if isinstance(value, tuple):  # a NamedTuple: Tokens, TokenMask
        return type(value)(*(_to(device, one) for one in value))
    return value
