# SPDX-License-Identifier: Apache-2.0
"""The last frames of a stream, however young it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

_Frame = TypeVar("_Frame")


def last_frames(frames: Sequence[_Frame], length: int) -> list[_Frame]:
    """Return the last ``length`` of at least one frame; before the first one it stands still."""
    newest = frames[-length:]
    return [newest[0]] * (length - len(newest)) + list(newest)
