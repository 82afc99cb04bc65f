# SPDX-License-Identifier: Apache-2.0
"""Training batches: streams of tubelets, and one sentence of each answer.

Every tubelet passes the X-Encoder. The Predictor costs as much again, so each stream is asked
about half of its tubelets, and always about the last one.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vljepa_ros.model.causal_x_encoder import StreamTubelets
from vljepa_ros.model.config import ModelConfig
from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.recipes.default_model.drawn_streams import DrawnStreams, StreamDraw
from vljepa_ros.recipes.default_model.frame_set import FrameSet
from vljepa_ros.training.batch import Batch
from vljepa_ros.training.stage import Stage


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
            stage: how many streams a step shows, and of how many frames.
        """
        self._frames, self._targets, self._texts, self._stage = frames, targets, texts, stage
        self._tubelets = stage.frames // config.x_encoder.tubelet
        self._memory = config.clip_frames
        self._draw = StreamDraw(
            frames,
            stage.sources or dict.fromkeys(frames.families, 1.0),
            tubelet=config.x_encoder.tubelet,
            memory=self._memory,
            rate_hz=config.clip_rate_hz,
        )

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Draw the whole step from its own seed, and return every ``parts``-th stream of it."""
        rng = np.random.default_rng([self._stage.seed, step])
        drawn = self._draw.draw(rng, self._stage.batch, self._tubelets)
        asked, targets = self._asked(rng, drawn)
        chosen = self._texts.choose_queries(rng, asked.size).reshape(*asked.shape, -1)
        texts = self._texts.sample(rng)
        own = slice(part, None, parts)
        visual = self._frames.of(drawn.rows[own])
        mirrored = torch.from_numpy(drawn.mirrored[own]).reshape(-1, *[1] * (visual.ndim - 1))
        return Batch(
            visual=torch.where(mirrored, visual.flip(-1), visual),
            queries=self._texts.queries(chosen[own].reshape(-1, chosen.shape[-1])),
            texts=texts,
            targets=torch.from_numpy(targets[own]).flatten(0, 1),
            shared=True,
            keys=torch.arange(len(texts)),
            groups=self._texts.groups,
            streams=StreamTubelets(*(torch.from_numpy(x[own]) for x in (drawn.times, asked))),
        )

    def _asked(
        self, rng: np.random.Generator, drawn: DrawnStreams
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which tubelets are asked (B, K), the last one of all, and targets (B, K, Q)."""
        count = max(1, self._tubelets // 2)
        # What stood before a stream began would be asked again and again: it has no target.
        begun = drawn.times > drawn.times[:, -1:] - self._memory
        order = rng.random(begun.shape) + begun
        order[:, -1] = np.inf
        asked = np.sort(np.argsort(order, 1)[:, -count:], 1)
        rows = np.take_along_axis(drawn.rows[:, :, -1], asked, 1)
        known = np.take_along_axis(begun, asked, 1)
        return asked, np.where(known[..., None], self._targets[rows], -1)
