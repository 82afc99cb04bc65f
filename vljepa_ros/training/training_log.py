# SPDX-License-Identifier: Apache-2.0
"""What a run shows of itself: a progress bar, TensorBoard curves and ``log.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from vljepa_ros.training.distributed import rank
from vljepa_ros.training.stage import Stage


class StepFigures(NamedTuple):
    """What a step shows: its loss, learning rate, temperature and the gradient's length."""

    loss: float
    rate: float
    temperature: float
    gradient: float


class TrainingLog:
    """Shows each step, and notes the saved ones; does nothing in all processes but the first."""

    def __init__(self, out: Path, stage: Stage, start: int) -> None:
        self._out, self._writing = out, rank() == 0
        self._bar = tqdm(
            desc=stage.name, initial=start, total=stage.steps, disable=not self._writing
        )
        self._curves = SummaryWriter(str(out), purge_step=start) if self._writing else None
        self._last: StepFigures | None = None

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        if self._curves is not None:
            self._curves.close()

    def step(self, step: int, figures: StepFigures) -> None:
        """Show a step."""
        self._last = figures
        self._bar.update()
        self._bar.set_postfix(loss=f"{figures.loss:.3f}", refresh=False)
        self._add(step, figures._asdict(), "")

    def saved(self, step: int, validation: dict[str, float]) -> None:
        """Note the latest step's figures and those of a validation after ``step`` steps."""
        if not self._writing:
            return
        latest = self._last._asdict() if self._last else {}
        with (self._out / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **latest, **validation}) + "\n")
        self._add(step, validation, "val/")

    def _add(self, step: int, figures: dict[str, float], prefix: str) -> None:
        if self._curves is not None:
            for name, value in figures.items():
                self._curves.add_scalar(prefix + name, value, step)
