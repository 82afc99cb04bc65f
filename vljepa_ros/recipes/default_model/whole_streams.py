# SPDX-License-Identifier: Apache-2.0
"""What a model in training answers about whole episodes, each seen as one stream."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.causal_x_encoder import StreamTubelets
from vljepa_ros.model.vljepa import Tokens, VLJepaModel
from vljepa_ros.recipes.default_model.episodes import StoredEpisode, stride
from vljepa_ros.recipes.default_model.frame_set import Features


@torch.no_grad()
def answers(
    model: VLJepaModel,
    episode: StoredEpisode,
    features: Features,
    queries: Tokens,
    every: int = 1,
) -> tuple[NDArray[np.int64], Tensor]:
    """Show a model the frames of an episode that are due at its rate, and ask some of them.

    Args:
        model: it has a memory.
        episode: its first frame finds the memory empty.
        features: of its frames.
        queries: the same for all frames, token states (Q, L, width) and masks.
        every: one of so many frames that the model sees is asked; 1 asks all.

    Returns:
        The numbers of the frames that were asked (K,), and the unit embeddings of their answers
        (K, Q, embedding).
    """
    step = stride(model.config.clip_rate_hz)
    stream = torch.from_numpy(features(episode)[::step]).float()
    tubelet = model.config.x_encoder.tubelet
    count = torch.arange(len(stream))
    before = count[:, None] - torch.arange(tubelet).flip(0)  # every frame ends a tubelet
    streams = StreamTubelets(count[None], count[None, ::every], stride=tubelet)
    visual = model.x_encoder.every_tubelet(stream[before.clamp(min=0)][None], streams)[0]
    asked = Tokens(queries.values[None], queries.mask[None])
    embeddings = model.predictor(visual, model.query_tokens(asked), asked.mask)
    return np.arange(0, len(episode), step * every), embeddings
