# SPDX-License-Identifier: Apache-2.0
"""The tubelet that ends with a frame: what a model with a memory sees of the newest frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Frame = TypeVar("_Frame")


def tubelet_of(frames: Sequence[_Frame], length: int) -> list[_Frame]:
    """Return the last ``length`` of at least one frame; before the first it stands still."""
    newest = frames[-length:]
    return [newest[0]] * (length - len(newest)) + list(newest)
