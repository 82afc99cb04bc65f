# SPDX-License-Identifier: Apache-2.0
"""Models whose parameters have shapes and take no memory until a checkpoint fills them.

The paper's model has 5.5 GB of them: drawing random values first, only to overwrite them, would
double the memory and cost a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import VLJepaModel


def empty_model(config: ModelConfig) -> VLJepaModel:
    """Return a model in evaluation mode whose parameters are on the device ``meta``."""
    with _without_values():
        return VLJepaModel(config).eval()


@contextmanager
def _without_values() -> Iterator[None]:
    """Move each parameter to ``meta`` as soon as a module gets it.

    Buffers, which no checkpoint holds, and scalars keep their values.
    """
    register = nn.Module.register_parameter

    def register_bare(module: nn.Module, name: str, value: nn.Parameter | None) -> None:
        if value is not None and value.ndim:
            value = nn.Parameter(value.to("meta"), value.requires_grad)
        register(module, name, value)

    nn.Module.register_parameter = register_bare
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def initialise_rest(model: nn.Module, seed: int) -> list[str]:
    """Draw torch's usual initial values for the parameters of layers that nothing has filled.

    Returns:
        The names of the layers.
    """
    torch.manual_seed(seed)
    drawn = []
    for name, module in model.named_modules():
        if any(value.is_meta for value in module.parameters(recurse=False)):
            module.to_empty(device="cpu", recurse=False)
            module.reset_parameters()
            drawn.append(name)
    return drawn
