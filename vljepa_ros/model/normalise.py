# SPDX-License-Identifier: Apache-2.0
"""Pixels as V-JEPA takes them, for models without a trunk before the X-Encoder."""

from __future__ import annotations

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalised(frames: Tensor) -> Tensor:
    """Turn RGB frames uint8 (..., H, W, 3) into float32 (..., 3, H, W)."""
    mean, std = (
        torch.tensor(value, device=frames.device) for value in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (frames.to(torch.float32) * (1 / (255 * std)) - mean / std).movedim(-1, -3)
