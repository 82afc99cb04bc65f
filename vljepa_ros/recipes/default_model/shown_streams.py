# SPDX-License-Identifier: Apache-2.0
"""What a bundle answers about an episode that it is shown as a camera would show it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.model import VLJepa
from vljepa_ros.stream.last_frames import last_frames


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
    clip, memory = model.bundle.clip, model.bundle.memory
    length = clip.frames if memory is None else memory.window
    newest: deque[NDArray[Any]] = deque(maxlen=length)
    before = None if memory is None else model.empty_memory()
    for number, frame in enumerate(frames):
        newest.append(frame)
        shown_now = last_frames([*newest], length)
        if before is None:
            yield model.embed(shown_now, queries)
        else:
            stamp_ns = round(number * 1e9 / clip.rate_hz)
            found, (before,) = model.see_frames([shown_now], [stamp_ns], [before], queries)
            yield found.embeddings[0]
