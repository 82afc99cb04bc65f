# SPDX-License-Identifier: Apache-2.0
"""Which weights a stage trains, how fast, and their running average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vljepa_ros.model.vljepa import VLJepaModel
from vljepa_ros.training.stage import Stage

_TOWER = "y_encoder.tower."


def trained_weights(model: VLJepaModel, stage: Stage) -> dict[str, nn.Parameter]:
    """Freeze what the stage does not train, and return the rest by name.

    The X-Encoder is frozen, as in the paper, unless the stage trains it or it stands on a frozen
    trunk. The tower of the Y-Encoder is frozen if its rate is 0, and the temperature if the loss
    has none. A table of query tokens is always frozen.
    """
    on_trunk = bool(model.config.x_encoder.trunk)
    model.x_encoder.requires_grad_(stage.train_x_encoder or on_trunk)
    model.y_encoder.tower.requires_grad_(model.config.y_encoder.rate > 0)
    model.log_scale.requires_grad_(stage.loss == "info_nce")
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def make_optimiser(
    weights: Mapping[str, nn.Parameter], stage: Stage, tower_rate: float
) -> torch.optim.AdamW:
    """Return AdamW with a group for each learning rate and weight decay.

    Norms, biases and the temperature, which have one dimension or none, do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in weights.items():
        factor = tower_rate if name.startswith(_TOWER) else 1.0
        decay = stage.weight_decay if weight.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": members, "factor": factor, "weight_decay": decay}
            for (factor, decay), members in groups.items()
        ],
        stage.learning_rate,
        fused=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate; that of a group with a factor is the factor times it."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


@torch.no_grad()
def set_weights(weights: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    """Give weights the values of the same names."""
    for name, weight in weights.items():
        weight.copy_(values[name])


class ExponentialAverage:
    """The exponential moving average (EMA) of the trained weights; with decay 0 the weights."""

    def __init__(self, weights: Mapping[str, nn.Parameter], decay: float) -> None:
        self._weights = nn.ParameterList(weights.values())
        self._average = (
            AveragedModel(self._weights, multi_avg_fn=get_ema_multi_avg_fn(decay))
            if decay
            else None
        )

    def update(self) -> None:
        """Take in the weights after a step."""
        if self._average is not None:
            self._average.update_parameters(self._weights)

    @torch.no_grad()
    def apply(self) -> None:
        """Give the model the averaged weights for good."""
        if self._average is not None:
            _copy(self._average.module, self._weights)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights for a while."""
        kept = [weight.detach().clone() for weight in self._weights]
        self.apply()
        try:
            yield
        finally:
            with torch.no_grad():
                _copy(kept, self._weights)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint has to hold."""
        return {} if self._average is None else self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state_dict` returned."""
        if self._average is not None:
            self._average.load_state_dict(state)


def _copy(source: Iterator[Tensor] | list[Tensor], target: nn.ParameterList) -> None:
    for to, value in zip(target, source, strict=True):
        to.copy_(value)
