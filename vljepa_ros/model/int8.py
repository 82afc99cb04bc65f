# SPDX-License-Identifier: Apache-2.0
"""Weights rounded to what an int8 code times a float32 scale per row can say.

A module that was rounded computes in float32 as before, and an export may store codes and scales
in a quarter of the room without changing any result.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LARGEST = 127  # codes are symmetric: -128 is not used
_FREE_BITS = 7  # of a scale's mantissa; see to_int8


def to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return the codes int8 (rows, columns) and the scales float32 (rows, 1) of ``weight``.

    The last bits of a scale are zero, as many as a code has. So code times scale is exact in
    float32, and the weights that come of it have these codes and scales again.
    """
    scale = weight.abs().amax(1, keepdim=True) / _LARGEST
    bits = scale.view(torch.int32) + (1 << (_FREE_BITS - 1))
    scale = (bits & -(1 << _FREE_BITS)).view(torch.float32)
    codes = (weight / scale.where(scale > 0, torch.ones_like(scale))).round()
    return codes.to(torch.int8), scale


@torch.no_grad()
def round_to_int8(tower: nn.Module) -> None:
    """Round the float32 weights of every linear map and embedding of ``tower``, in place.

    A linear map has a scale for each of its outputs, a table one for each of its rows.
    """
    for module in tower.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            codes, scale = to_int8(module.weight)
            module.weight.copy_(codes * scale)
