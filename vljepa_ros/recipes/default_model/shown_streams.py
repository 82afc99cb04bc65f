# SPDX-License-Identifier: Apache-2.0
"""What a bundle answers about an episode that it is shown as a camera would show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.recipes.default_model.episodes import FRAME_RATE_HZ, clip_indices
from vljepa_ros.runtime.model import VLJepa


def stride(model: VLJepa) -> int:
    """Return how many stored frames lie from one to the next that the model sees."""
    return round(FRAME_RATE_HZ / model.bundle.clip.rate_hz)


def shown(
    model: VLJepa, frames: Iterable[NDArray[Any]], queries: Sequence[str]
) -> Iterator[NDArray[np.float32]]:
    """Yield the embeddings (Q, dimension) of the answers at each frame.

    A model with a memory has an empty one at the first frame. For one that sees clips, nothing
    moved before that frame.

    Args:
        model: a loaded bundle.
        frames: results of :meth:`VLJepa.encode_frame`, at the rate of the model's clips.
        queries: texts.
    """
    if model.bundle.memory is not None:
        yield from _remembered(model, frames, queries)
        return
    clip, seen = model.bundle.clip, []
    for number, frame in enumerate(frames):
        seen.append(frame)
        rows = clip_indices(number, clip.frames, FRAME_RATE_HZ)
        yield model.embed([seen[row] for row in rows], queries)


def _remembered(
    model: VLJepa, frames: Iterable[NDArray[Any]], queries: Sequence[str]
) -> Iterator[NDArray[np.float32]]:
    memory = model.empty_memory()
    for number, frame in enumerate(frames):
        stamp_ns = round(number * 1e9 / model.bundle.clip.rate_hz)
        found, (memory,) = model.see_frames([frame], [stamp_ns], [memory], queries)
        yield found.embeddings[0]
