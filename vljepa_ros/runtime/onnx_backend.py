# SPDX-License-Identifier: Apache-2.0
"""The backend that runs anywhere: ONNX Runtime on the CPU.

It knows nothing of images, clips or texts: arrays in, arrays out. The visual tokens of a clip are
computed once and shared by all queries of the call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.onnx_session import OnnxGraph


class OnnxBackend:
    """Runs the visual graphs of a bundle on the CPU; see :class:`~.backend.Backend`."""

    name = "onnxruntime"

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        """Load the three visual graphs, each with ``threads`` compute threads.

        Raises:
            BundleError: a graph cannot be loaded.
        """
        self.precision = bundle.precision
        self._frame_encoder = OnnxGraph(bundle, "frame_encoder", threads)
        self._x_encoder = OnnxGraph(bundle, "x_encoder", threads)
        self._predictor = OnnxGraph(bundle, "predictor", threads)

    def encode_frame(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn one RGB frame (H, W, 3) of the bundle's size into features (C, h, w)."""
        (features,) = self._frame_encoder.run({"frame": frame[np.newaxis]})
        result: NDArray[np.float32] = features[0]
        return result

    def embed(
        self,
        features: NDArray[np.float32],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """Turn features (T, C, h, w) and queries (Q, L, E) into embeddings (Q, dimension)."""
        (visual_tokens,) = self._x_encoder.run({"features": features[np.newaxis]})
        (embeddings,) = self._predictor.run(
            {
                "visual_tokens": visual_tokens,
                "query_tokens": query_tokens,
                "query_mask": query_mask,
            }
        )
        return embeddings

    def close(self) -> None:
        """Release the graphs. Later calls raise :class:`~.backend.BackendError`."""
        for graph in (self._frame_encoder, self._x_encoder, self._predictor):
            graph.close()
