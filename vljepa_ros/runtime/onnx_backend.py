# SPDX-License-Identifier: Apache-2.0
"""The backend that runs anywhere: ONNX Runtime on the CPU.

It knows nothing of images, clips or texts: arrays in, arrays out. The visual tokens of the
clips are computed once and shared by all queries of the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import ClipOutputs, StreamOutputs
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_session import OnnxGraph


class OnnxBackend:
    """Runs the visual graphs of a bundle on the CPU; see :class:`~.backend.Backend`."""

    name = "onnxruntime"

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the visual graphs, each with ``threads`` compute threads.

        Raises:
            BundleError: a graph cannot be loaded.
        """
        self.precision = bundle.precision
        self._frame_encoder = (
            None if bundle.pixels else OnnxGraph(bundle, "frame_encoder", threads)
        )
        self._clip = "frames" if bundle.pixels else "features"
        self._state = () if bundle.memory is None else tuple(bundle.memory.state)
        self._x_encoder = OnnxGraph(bundle, "x_encoder", threads)
        self._predictor = OnnxGraph(bundle, "predictor", threads)
        sizes = self._predictor.sizes("query_mask")
        self._one_by_one = sizes[:1] == [1]
        self._any_length = any(isinstance(size, str) for size in sizes[1:])

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[Any]:
        """Turn RGB frames (B, H, W, 3) of the bundle's size into what clips are made of."""
        if self._frame_encoder is None:
            return frames
        return self._frame_encoder.run({"frame": frames})[0]

    def embed(
        self,
        clips: NDArray[Any],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> ClipOutputs:
        """Turn clips (B, T, ...) and queries (Q, L, E) into embeddings (B, Q, dimension)."""
        found = self.follow(clips, {}, query_tokens, query_mask)  # a clip has nothing beside it
        return ClipOutputs(found.embeddings, found.visual)

    def follow(
        self,
        frames: NDArray[Any],
        inputs: Mapping[str, NDArray[Any]],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> StreamOutputs:
        """Turn one frame of each stream (B, ...) into embeddings (B, Q, dimension)."""
        visual, *state = self._x_encoder.run({self._clip: frames, **inputs})
        return StreamOutputs(
            self._ask(visual, query_tokens, query_mask),
            visual.mean(axis=1) if self._frame_encoder is None else None,
            dict(zip(self._state, state, strict=True)),
        )

    def close(self) -> None:
        """Release the graphs. Later calls raise :class:`~.backend.BackendError`."""
        for graph in (self._frame_encoder, self._x_encoder, self._predictor):
            if graph is not None:
                graph.close()

    def _ask(
        self, visual: NDArray[np.float32], tokens: NDArray[np.float32], mask: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        if not len(tokens):
            return np.empty((len(visual), 0, 0), np.float32)
        if not self._one_by_one:
            return self._predict(visual, tokens, mask)
        # Visual tokens look at the query, so every query is a pass of its own, for all clips.
        each = zip(tokens[:, np.newaxis], mask[:, np.newaxis], strict=True)
        return np.concatenate([self._predict(visual, one, real) for one, real in each], 1)

    def _predict(
        self, visual: NDArray[np.float32], tokens: NDArray[np.float32], mask: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        if self._any_length:  # padding that no query of this run needs
            longest = max(1, int(mask.sum(axis=1).max()))
            tokens, mask = tokens[:, :longest], mask[:, :longest]
        feed = {"visual_tokens": visual, "query_tokens": tokens, "query_mask": mask}
        return self._predictor.run(feed)[0]
