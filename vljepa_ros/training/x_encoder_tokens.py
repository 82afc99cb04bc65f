# SPDX-License-Identifier: Apache-2.0
"""Clips to the visual tokens of a frozen X-Encoder, for :mod:`.feature_cache` to keep."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vljepa_ros.model.normalise import normalised


class XEncoderTokens:
    """Frames uint8 (T, H, W, 3) -> visual tokens float16 (N, width), on the X-Encoder's device."""

    def __init__(self, x_encoder: nn.Module) -> None:
        self._x_encoder = x_encoder

    @torch.no_grad()
    def __call__(self, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Encode a clip."""
        device = next(self._x_encoder.parameters()).device
        clip = normalised(torch.from_numpy(frames).to(device))
        tokens: NDArray[np.float16] = self._x_encoder(clip[None])[0].half().cpu().numpy()
        return tokens
