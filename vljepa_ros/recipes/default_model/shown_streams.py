# SPDX-License-Identifier: Apache-2.0
"""What a bundle answers about an episode that it is shown as a camera would show it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.tubelet import tubelet_of


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
    length = model.bundle.clip.frames
    clip: deque[NDArray[Any]] = deque(maxlen=length)
    for frame in frames:
        clip.append(frame)
        yield model.embed([clip[0]] * (length - len(clip)) + [*clip], queries)


def _remembered(
    model: VLJepa, frames: Iterable[NDArray[Any]], queries: Sequence[str]
) -> Iterator[NDArray[np.float32]]:
    assert model.bundle.memory is not None, "the caller knows"
    length = model.bundle.memory.tubelet
    newest: deque[NDArray[Any]] = deque(maxlen=length)
    memory = model.empty_memory()
    for number, frame in enumerate(frames):
        newest.append(frame)
        stamp_ns = round(number * 1e9 / model.bundle.clip.rate_hz)
        tubelet = tubelet_of([*newest], length)
        found, (memory,) = model.see_frames([tubelet], [stamp_ns], [memory], queries)
        yield found.embeddings[0]
