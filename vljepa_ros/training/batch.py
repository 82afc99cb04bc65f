# SPDX-License-Identifier: Apache-2.0
"""What one training step sees, and who provides it.

A batch follows from its step number alone. So a run that was killed continues on its curve, and a
run on several processes sees what a run on one process sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vljepa_ros.model.causal_x_encoder import StreamTubelets
from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.x_encoder import TokenMask


@dataclass(frozen=True)
class Batch:
    """One process' share of a step.

    Attributes:
        visual: what the first trained network reads: normalised clips (B, T, 3, H, W), feature
            maps of a frozen image trunk (B, T, C, h, w), or visual tokens of a frozen X-Encoder
            (B, N, width).
        queries: Q queries about every clip.
        texts: candidate answers, each text once: tokens (C, L) or sentences (C, width).
        targets: the candidate that answers each query, int64 (B, Q); -1 if none does.
        shared: True if every process has the same candidates (a bank of all answers). Otherwise
            those of all processes are joined.
        keys: a number for each candidate's text, int64 (C); the same text has the same number in
            every process.
        groups: a number for each shared candidate, int64 (C): what answers one question is not
            wrong for another, so a candidate of another group is no negative. None is one group.
        token_mask: the visual tokens that stay, if some are dropped; None keeps all.
        streams: how the frames of ``visual`` follow each other, if it holds whole streams. Each
            asked frame then counts as a clip, in the order of the streams: B * K of them.
    """

    visual: Tensor
    queries: Tokens
    texts: Tokens | Tensor
    targets: Tensor
    shared: bool
    keys: Tensor
    groups: Tensor | None = None
    token_mask: TokenMask | None = None
    streams: StreamTubelets | None = None


class Batches(Protocol):
    """A source of batches. Called with the same arguments it returns the same batch."""

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Return part ``part`` of the ``parts`` that step ``step`` is divided into.

        The parts are the processes times the micro-batches whose gradients are added up.
        """
