# SPDX-License-Identifier: Apache-2.0
"""Passes frames of streams through a model with a memory, one of each stream at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import ClipOutputs, StreamOutputs
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.scene_features import look_of
from vljepa_ros.runtime.stream_memory import PAST, SEEN, TIME, StreamMemory
from vljepa_ros.stream.last_frames import last_frames
from vljepa_ros.stream.time_turn import time_turn

_NS = 1_000_000_000
_NO_LOOK = np.empty(0, np.float32)
NO_TOKENS, NO_MASK = np.empty((0, 0, 0), np.float32), np.empty((0, 0), np.bool_)
"""Nothing is asked."""


class StreamSteps:
    """Runs the graphs of a bundle with a memory. Memories are values, so any thread may run it."""

    def __init__(self, bundle: Bundle, follow: Callable[..., StreamOutputs]) -> None:
        """Take the sizes of a bundle with a memory, and :meth:`.backend.Backend.follow`."""
        assert bundle.memory is not None, "only a memory makes a stream"
        self._follow, self._memory = follow, bundle.memory
        self._frames, self._rate_hz = bundle.clip.frames, bundle.clip.rate_hz
        self._has_trunk = not bundle.pixels

    def run(
        self,
        windows: Sequence[Sequence[NDArray[Any]]],
        stamps_ns: Sequence[int],
        memories: Sequence[StreamMemory],
        query_tokens: NDArray[np.float32] = NO_TOKENS,
        query_mask: NDArray[np.bool_] = NO_MASK,
    ) -> tuple[StreamOutputs, list[StreamMemory]]:
        """See a new frame of each stream; return what the backend gave, and the new memories.

        Args:
            windows: the newest frames of each stream, oldest first, as the X-Encoder takes
                them.
            stamps_ns: of the new frames, each later than what its memory holds.
            memories: of the streams.
            query_tokens: what is asked (Q, L, E).
            query_mask: True on real tokens (Q, L).
        """
        inputs = self._inputs(memories, stamps_ns)
        frames = np.stack([np.stack(window) for window in windows])
        found = self._follow(frames, inputs, query_tokens, query_mask)
        following = []
        for row, (window, stamp, memory) in enumerate(
            zip(windows, stamps_ns, memories, strict=True)
        ):
            state = {name: array[row] for name, array in found.state.items()}
            following.append(self._after(memory, stamp, window[-1], state))
        return found, following

    def run_clips(
        self,
        clips: Sequence[Sequence[NDArray[Any]]],
        query_tokens: NDArray[np.float32] = NO_TOKENS,
        query_mask: NDArray[np.bool_] = NO_MASK,
    ) -> ClipOutputs:
        """See clips of equal length, each as a stream of its own, and ask about their last frame.

        The arguments are those of :meth:`run`; frames follow each other by one period.
        """
        memories = [StreamMemory.empty(self._memory)] * len(clips)
        length = len(clips[0])
        for end in range(1, length + 1):
            windows = [last_frames(clip[:end], self._memory.window) for clip in clips]
            stamps_ns = [round(end * _NS / self._rate_hz)] * len(clips)
            asked = (query_tokens, query_mask) if end == length else (NO_TOKENS, NO_MASK)
            found, memories = self.run(windows, stamps_ns, memories, *asked)
        return ClipOutputs(found.embeddings, found.visual)

    def _inputs(
        self, memories: Sequence[StreamMemory], stamps_ns: Sequence[int]
    ) -> dict[str, NDArray[Any]]:
        """Return what the X-Encoder takes beside the frames, a row for each stream."""
        streams = list(zip(memories, stamps_ns, strict=True))
        ages = [stamp - memory.origin_ns if memory.stamps_ns else 0 for memory, stamp in streams]
        near = np.array([[self._count_near(*stream)] for stream in streams])
        state = {
            PAST + name: np.stack([memory.state[name] for memory in memories])
            for name in self._memory.state
        }
        return {
            TIME: time_turn(np.array(ages) * self._rate_hz / _NS, self._memory.pairs),
            SEEN: np.arange(self._frames - 1) < near,
            **state,
        }

    def _count_near(self, memory: StreamMemory, stamp_ns: int) -> int:
        """Return how many frames of a memory, the newest ones, a new frame sees."""
        ages = (stamp_ns - old for old in memory.stamps_ns[: self._frames - 1])
        return sum(age * self._rate_hz < self._frames * _NS for age in ages)

    def _after(
        self, memory: StreamMemory, stamp_ns: int, frame: NDArray[Any], state: dict[str, Any]
    ) -> StreamMemory:
        """Return a memory with one more frame and the state that came of it."""
        look = look_of(frame) if self._has_trunk else _NO_LOOK
        near = self._count_near(memory, stamp_ns)
        return StreamMemory(
            state,
            (stamp_ns, *memory.stamps_ns[:near]),
            (look, *memory.looks[:near]),
            memory.origin_ns if memory.stamps_ns else stamp_ns,
        )
