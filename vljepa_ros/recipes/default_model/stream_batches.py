# SPDX-License-Identifier: Apache-2.0
"""Training batches: streams of frames, of which a few are asked, and one sentence of each answer.

Most steps show many short streams, because frames of one scene resemble each other; they are
asked about their last frames. Every fourth step shows fewer and longer ones, which fill the
memory. Every frame passes the X-Encoder. The Predictor costs as much again, so it is asked about a
quarter of the frames.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.causal_x_encoder import StreamFrames
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.recipes.default_model.drawn_streams import StreamDraw
from vljepa_ros.recipes.default_model.frame_set import FrameSet
from vljepa_ros.training.batch import Batch
from vljepa_ros.training.stage import Stage

ASKED = 4  # one frame of so many
LONG_EVERY = 4  # one step of so many shows long streams
LONGER = 8  # times as long as the others, and so many times fewer


class Texts(Protocol):
    """The queries of a stage, and a sentence for each candidate answer.

    Attributes:
        groups: the query that each candidate answers, int64 (C); None if there is one query.
    """

    groups: Tensor | None

    def sample(self, rng: np.random.Generator) -> Tensor:
        """Return one sentence (C, width) of each candidate."""

    def choose_queries(self, rng: np.random.Generator, batch: int) -> NDArray[np.int64]:
        """Return the number of a random wording for every frame and query (B, Q)."""

    def queries(self, chosen: NDArray[np.int64]) -> Tokens:
        """Return the token states (B, Q, L, width) and masks of wordings."""


class StreamBatches:
    """Random streams of a set with random wordings; see :class:`~.batch.Batches`."""

    def __init__(
        self,
        frames: FrameSet,
        targets: NDArray[np.int64],
        texts: Texts,
        config: ModelConfig,
        stage: Stage,
    ) -> None:
        """Take the frames.

        Args:
            frames: what streams are drawn from.
            targets: the candidate that answers each query, or -1, (frames, Q).
            texts: queries and candidates.
            config: of the model, whose memory the streams are for.
            stage: how many short streams a step shows, and of how many frames. If P parts share a
                step, their number is a multiple of P * LONGER.
        """
        self._frames, self._targets, self._texts, self._stage = frames, targets, texts, stage
        shares = stage.sources or dict.fromkeys(frames.families, 1.0)
        self._draw = StreamDraw(frames, shares, config.clip_frames, config.clip_rate_hz)

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Draw the whole step from its own seed, and return every ``parts``-th stream of it.

        Raises:
            ValueError: a step of long streams cannot be shared by so many parts.
        """
        rng = np.random.default_rng([self._stage.seed, step])
        longer = 1 if step % LONG_EVERY else LONGER
        size, length = self._stage.batch // longer, self._stage.frames * longer
        if size < parts or size % parts:
            raise ValueError(f"{size} long streams of a step cannot be shared by {parts} parts")
        drawn = self._draw.draw(rng, size, length)
        count = max(1, length // ASKED)
        if longer > 1:
            asked = np.argsort(rng.random((size, length)), 1)[:, :count]
        else:
            asked = np.tile(np.arange(length - count, length), (size, 1))
        chosen = self._texts.choose_queries(rng, asked.size).reshape(*asked.shape, -1)
        texts = self._texts.sample(rng)
        own = slice(part, None, parts)
        targets = self._targets[np.take_along_axis(drawn.rows, asked, 1)[own]]
        visual = self._frames.streams(drawn.rows[own])
        mirrored = torch.from_numpy(drawn.mirrored[own])[:, None, None, None, None]
        return Batch(
            visual=torch.where(mirrored, visual.flip(-1), visual),
            queries=self._texts.queries(chosen[own].reshape(-1, chosen.shape[-1])),
            texts=texts,
            targets=torch.from_numpy(targets).flatten(0, 1),
            shared=True,
            keys=torch.arange(len(texts)),
            groups=self._texts.groups,
            streams=StreamFrames(
                *(torch.from_numpy(x[own]) for x in (drawn.times, drawn.kept, asked))
            ),
        )
