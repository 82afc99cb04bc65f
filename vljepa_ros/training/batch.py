# SPDX-License-Identifier: Apache-2.0
"""What one training step looks at, and who provides it.

A batch follows from its step number alone. So a run that was killed continues on its curve, and a
run on several processes sees what a run on one process sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vljepa_ros.model.vljepa import Tokens
from vljepa_ros.model.x_encoder import TokenMask


@dataclass(frozen=True)
class Batch:
    """One process' share of a step.

    :param visual: clips (B, T, C, H, W) or cached visual tokens (B, N, width).
    :param queries: Q queries about every clip.
    :param texts: candidate answers, each text once: tokens (C, L) or sentences (C, width).
    :param targets: the candidate that answers each query (B, Q), or -1 where none does.
    :param shared: every process has the same candidates (a bank of all answers). Otherwise those
        of all processes are joined, and ``keys`` (C) tells which of them are the same text.
    :param token_mask: the visual tokens that stay, where some are dropped.
    """

    visual: Tensor
    queries: Tokens
    texts: Tokens | Tensor
    targets: Tensor
    shared: bool
    keys: Tensor
    token_mask: TokenMask | None = None


class Batches(Protocol):
    """A source of batches. Called with the same arguments it returns the same batch."""

    def batch(self, step: int, part: int, parts: int) -> Batch:
        """Return part ``part`` of the ``parts`` that step ``step`` is divided into.

        The parts are the processes times the micro-batches whose gradients are added up.
        """
