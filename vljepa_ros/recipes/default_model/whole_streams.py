# SPDX-License-Identifier: Apache-2.0
"""What a model in training answers about whole episodes, each seen as one stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.causal_x_encoder import StreamFrames
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ


def frames_of_stream(count: int, rate_hz: float) -> NDArray[np.int64]:
    """Return which of an episode's frames a stream at a rate holds."""
    return np.arange(0, count, round(FRAME_RATE_HZ / rate_hz))


@torch.no_grad()
def answers(model: VLJepaModel, stream: Tensor, queries: Tokens, every: int = 1) -> Tensor:
    """Return the unit embeddings (K, Q, embedding) of every ``every``-th frame's answers.

    Args:
        model: it has a memory.
        stream: features of frames that follow each other by one period (T, C, h, w).
        queries: the same for all frames, token states (Q, L, width) and masks.
        every: 1 asks all frames.
    """
    count = torch.arange(len(stream))[None]
    frames = StreamFrames(count, asked=count[:, ::every])
    visual = model.x_encoder.every_frame(stream[None], frames)[0]
    asked = Tokens(queries.values[None], queries.mask[None])
    return model.predictor(visual, model.query_tokens(asked), asked.mask)
