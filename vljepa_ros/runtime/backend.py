# SPDX-License-Identifier: Apache-2.0
"""What every backend does: features of frames, and embeddings of clips for all queries.

The calls are split at the cache. A frame passes :meth:`Backend.encode_frames` once, whatever the
number of clips that it is part of; a clip passes the X-Encoder in :meth:`Backend.embed` once,
whatever the number of queries. If the model has a memory there are no clips: a frame of a stream
passes the X-Encoder in :meth:`Backend.follow`. A model without a trunk looks at the pixels of all
frames of a clip at once: there is nothing to do for one frame, and the clip is made of frames.

Frames and clips of several cameras go through the model together, one beside the other: none
sees another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

AUTO, ONNXRUNTIME = "auto", "onnxruntime"
TENSORRT, TENSORRT_RTX = "tensorrt", "tensorrt_rtx"
BACKENDS = (AUTO, TENSORRT, TENSORRT_RTX, ONNXRUNTIME)
"""By name; here and not in :mod:`.choose`, which loads their libraries."""


class BackendError(RuntimeError):
    """A model that loaded failed to run, or gave values that cannot be used."""


class OutOfMemoryError(BackendError):
    """The device has too little memory left; the message says how much."""


class DeviceLostError(BackendError):
    """The device computes nothing more for this process, which can only end and start again."""


class ClipOutputs(NamedTuple):
    """What a model makes of clips.

    Attributes:
        embeddings: (B, Q, dimension), of unit length, in the order of the clips and queries.
        visual: the X-Encoder's tokens, averaged over each clip (B, width). None if the model has
            an image trunk, whose features say already what is seen.
    """

    embeddings: NDArray[np.float32]
    visual: NDArray[np.float32] | None


class StreamOutputs(NamedTuple):
    """What a model with a memory makes of one frame of each stream.

    Attributes:
        embeddings: as in :class:`ClipOutputs`; without a query (B, 0, 0).
        visual: as in :class:`ClipOutputs`.
        state: what is kept for the next frame (B, ...), by name.
    """

    embeddings: NDArray[np.float32]
    visual: NDArray[np.float32] | None
    state: Mapping[str, NDArray[np.float32]]


class Backend(Protocol):
    """Runs the visual graphs of a bundle. Every method may be called from several threads."""

    @property
    def name(self) -> str:
        """Name for people, such as ``onnxruntime``."""

    @property
    def precision(self) -> str:
        """Arithmetic that the graphs use, such as ``fp32``."""

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[Any]:
        """Turn RGB frames (B, H, W, 3) of the bundle's size into what clips are made of.

        Returns:
            Features float32 (B, C, h, w), or the frames if the model has no trunk.
        """

    def embed(
        self,
        clips: NDArray[Any],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> ClipOutputs:
        """Turn clips into one unit embedding per clip and query.

        Args:
            clips: results of :meth:`encode_frames` (B, T, ...), oldest frame first.
            query_tokens: (Q, L, E), zero padded.
            query_mask: (Q, L), True on real tokens.
        """

    def follow(
        self,
        frames: NDArray[Any],
        inputs: Mapping[str, NDArray[Any]],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> StreamOutputs:
        """Turn one frame of each stream into one unit embedding per stream and query.

        Args:
            frames: results of :meth:`encode_frames` (B, ...).
            inputs: what the X-Encoder takes beside them (B, ...), by name
                (:mod:`.stream_memory`).
            query_tokens: (Q, L, E), zero padded; Q may be 0.
            query_mask: (Q, L), True on real tokens.
        """

    def close(self) -> None:
        """Release the graphs. Later calls raise :class:`BackendError`."""
