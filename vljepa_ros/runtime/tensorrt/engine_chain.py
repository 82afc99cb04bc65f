# SPDX-License-Identifier: Apache-2.0
"""The engines of a bundle, one behind the other: frames to clips, clips to embeddings.

A clip's visual tokens stay where the X-Encoder wrote them and the Predictor reads them there; only
if there is no trunk, their mean goes back as well. The
features of frames go back to the program, whose window decides which clips they are part of; they
are a few kilobytes each.

A run takes as many clips as the engines were built for. More are done in turns. If there are
fewer, the last one stands in the empty places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import ClipOutputs, StreamOutputs
from vljepa_ros.runtime.stream_memory import NEXT
from vljepa_ros.runtime.tensorrt.cuda import Cuda
from vljepa_ros.runtime.tensorrt.engine import Engine
from vljepa_ros.runtime.tensorrt.engine_runtime import EngineRuntime
from vljepa_ros.runtime.tensorrt.library import Library
from vljepa_ros.runtime.tensorrt.plan_store import VerifiedPlan

_Floats = NDArray[np.float32]


class EngineChain:
    """Runs the visual graphs, on the thread of its :class:`~.cuda.Cuda`."""

    def __init__(
        self,
        cuda: Cuda,
        library: Library,
        plans: Mapping[str, VerifiedPlan],
        *,
        cuda_graphs: bool = False,
    ) -> None:
        """Load the engines one after the other, so that one plan at a time is in memory twice.

        Raises:
            MissingPackage: the library is not there.
            OutOfMemoryError: the GPU has too little memory.
            PlanError: a plan cannot be used.
        """
        self._runtime: EngineRuntime | None = EngineRuntime(cuda, library)
        self._engines: dict[str, Engine] = {}
        try:
            for graph, plan in plans.items():
                self._engines[graph] = Engine(self._runtime, plan, cuda_graphs=cuda_graphs)
        except Exception:
            self.close()
            raise
        self._ready = False

    def encode_frames(self, frames: NDArray[np.uint8]) -> _Floats:
        """Turn frames (B, H, W, 3) into features (B, C, h, w).

        Raises:
            BackendError: the GPU or TensorRT failed.
        """
        self._get_ready()
        return _in_turns(frames, self._engines["frame_encoder"].most_rows("frame"), self._encode)

    def embed(self, clips: NDArray[Any], tokens: _Floats, mask: NDArray[np.bool_]) -> ClipOutputs:
        """Turn clips (B, T, ...) and queries (Q, L, E) into embeddings (B, Q, dimension).

        Raises:
            BackendError: the GPU or TensorRT failed.
        """
        found = self.follow(clips, {}, tokens, mask)  # a clip has nothing beside it
        return ClipOutputs(found.embeddings, found.visual)

    def follow(
        self,
        frames: NDArray[Any],
        inputs: Mapping[str, NDArray[Any]],
        tokens: _Floats,
        mask: NDArray[np.bool_],
    ) -> StreamOutputs:
        """Turn one frame of each stream (B, ...) into embeddings (B, Q, dimension).

        What is kept of a stream goes to the GPU and back with each frame.

        Raises:
            BackendError: the GPU or TensorRT failed.
        """
        self._get_ready()
        x_encoder = self._engines["x_encoder"]
        (frame,) = x_encoder.inputs.keys() - inputs.keys()
        feed = {frame: frames, **inputs}
        kept: dict[str, list[_Floats]] = {name: [] for name in x_encoder.outputs}
        if "frame_encoder" in self._engines:
            del kept["visual_tokens"]  # only the Predictor reads them, on the GPU

        def see(rows: NDArray[Any]) -> _Floats:
            for name, array in feed.items():
                x_encoder.write(name, array[rows])
            x_encoder.run()
            for name, parts in kept.items():
                parts.append(x_encoder.read(name))
            if not len(mask):
                return np.empty((len(rows), 0, 0), np.float32)
            return self._answer(tokens, mask)

        count = len(frames)
        embeddings = _in_turns(np.arange(count), x_encoder.most_rows(frame), see)
        found = {name: np.concatenate(parts)[:count] for name, parts in kept.items()}
        visual = found.pop("visual_tokens", None)
        pooled = None if visual is None else visual.mean(axis=1)
        state = {name.removeprefix(NEXT): array for name, array in found.items()}
        return StreamOutputs(embeddings, pooled, state)

    def compiled_kernels(self) -> dict[str, bytes]:
        """Return by graph what the runs so far compiled; empty if nothing is compiled here."""
        found = {graph: engine.compiled_kernels() for graph, engine in self._engines.items()}
        return {graph: kernels for graph, kernels in found.items() if kernels}

    def release(self) -> None:
        """Free what runs need, and keep the weights; the next run takes it anew."""
        self._ready = False
        for engine in self._engines.values():
            engine.release()

    def close(self) -> None:
        """Free everything."""
        for engine in self._engines.values():
            engine.close()
        self._engines = {}
        self._runtime = None

    def _encode(self, frames: NDArray[np.uint8]) -> _Floats:
        encoder = self._engines["frame_encoder"]
        encoder.write("frame", frames)
        encoder.run()
        return encoder.read("features")

    def _answer(self, tokens: _Floats, mask: NDArray[np.bool_]) -> _Floats:
        """Return the embeddings (B, Q, dimension) for the visual tokens that lie on the GPU."""
        most = self._engines["predictor"].most_rows("query_mask")
        parts = [
            self._predict(tokens[first : first + most], mask[first : first + most])
            for first in range(0, len(mask), most)
        ]
        return np.concatenate(parts, 1)

    def _predict(self, tokens: _Floats, mask: NDArray[np.bool_]) -> _Floats:
        predictor = self._engines["predictor"]
        predictor.write("query_tokens", tokens)
        predictor.write("query_mask", mask)
        predictor.run()
        return predictor.read("embeddings")

    def _get_ready(self) -> None:
        if self._ready:
            return
        self.release()  # what an attempt left half done
        for graph, engine in self._engines.items():
            visual = {}
            if graph == "predictor":
                visual["visual_tokens"] = self._engines["x_encoder"].memory("visual_tokens")
            engine.allocate(visual)
        self._ready = True


def _in_turns(items: NDArray[Any], size: int, work: Callable[[NDArray[Any]], _Floats]) -> _Floats:
    """Do ``work`` on ``items`` (B, ...), ``size`` at a time, and join the results (B, ...)."""
    results = []
    for first in range(0, len(items), size):
        part = items[first : first + size]
        empty = size - len(part)
        full = np.concatenate([part, np.repeat(part[-1:], empty, 0)]) if empty else part
        results.append(work(full)[: len(part)])
    return np.concatenate(results)
