# SPDX-License-Identifier: Apache-2.0
"""The backends for a GPU: engines of TensorRT or TensorRT-RTX, on a thread of their own.

Calls of any thread are handed to that one and waited for. One backend may serve several streams:
clips that come in one call share a run, as many as the engines were built for, and all queries
of a clip share one run of the X-Encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import (
    TENSORRT,
    ClipOutputs,
    OutOfMemoryError,
    StreamOutputs,
)
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.tensorrt.cuda import Cuda
from vljepa_ros.runtime.tensorrt.device_thread import DeviceThread
from vljepa_ros.runtime.tensorrt.driver import Gpu, probe_gpu
from vljepa_ros.runtime.tensorrt.engine_chain import EngineChain
from vljepa_ros.runtime.tensorrt.engines import Progress, ensure_engines
from vljepa_ros.runtime.tensorrt.library import LIBRARIES, Library
from vljepa_ros.runtime.tensorrt.plan_store import PlanStore, VerifiedPlan

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Device:
    """What lives on the thread."""

    chain: EngineChain
    record_parity: Callable[[float], None]


@dataclass(frozen=True)
class EngineOptions:
    """How engines are found and run.

    Attributes:
        folder: that they are kept in; None for the usual one.
        cameras: number of clips that one run takes. Engines for another number are other engines.
            A run with fewer clips takes as long as a full one.
        allow_build: missing ones may be built, which takes minutes.
        allow_untrusted: engines that others could have written are taken.
        cuda_graphs: start a run with one call.
        progress: is told how far a build is.
    """

    folder: Path | None = None
    cameras: int = 1
    allow_build: bool = False
    allow_untrusted: bool = False
    cuda_graphs: bool = False
    progress: Progress = lambda news: None


class TensorRTBackend:
    """Runs the visual graphs of a bundle on a GPU; see :class:`~vljepa_ros.runtime.backend`."""

    def __init__(
        self, bundle: Bundle, options: EngineOptions, library: Library = LIBRARIES[TENSORRT]
    ) -> None:
        """Load the engines of a bundle, and build them first if that is allowed.

        Raises:
            TensorRTError: there is no driver, package or engine, or one that must not be used.
            BackendError: the GPU has too little memory, or refuses.
        """
        self.name = library.backend
        self.precision = bundle.precision
        self.gpu = probe_gpu()
        self._has_trunk = not bundle.pixels
        opened = partial(_opened, bundle, options, library, self.gpu)
        self._thread = DeviceThread(self.name, opened)

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[Any]:
        """Turn RGB frames (B, H, W, 3) of the bundle's size into what clips are made of.

        Raises:
            DeviceLostError: the GPU is lost to this process.
            BackendError: the backend is closed, or the GPU failed.
        """
        if not self._has_trunk:
            return frames
        return self._run(lambda chain: chain.encode_frames(frames))

    def embed(
        self,
        clips: NDArray[Any],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> ClipOutputs:
        """Turn clips (B, T, ...) and queries (Q, L, E) into embeddings (B, Q, dimension).

        Raises:
            DeviceLostError: the GPU is lost to this process.
            BackendError: the backend is closed, or the GPU failed.
        """
        return self._run(lambda chain: chain.embed(clips, query_tokens, query_mask))

    def follow(
        self,
        frames: NDArray[Any],
        inputs: Mapping[str, NDArray[Any]],
        query_tokens: NDArray[np.float32],
        query_mask: NDArray[np.bool_],
    ) -> StreamOutputs:
        """Turn one frame of each stream (B, ...) into embeddings (B, Q, dimension).

        Raises:
            DeviceLostError: the GPU is lost to this process.
            BackendError: the backend is closed, or the GPU failed.
        """
        return self._run(lambda chain: chain.follow(frames, inputs, query_tokens, query_mask))

    def record_parity(self, cosine: float) -> None:
        """Note beside the stored engines how near they came to ONNX Runtime, if it can be noted.

        What was compiled until then is kept there as well.

        Raises:
            BackendError: the backend is closed.
        """
        self._thread.call(lambda device: device.record_parity(cosine))

    def close(self) -> None:
        """Release the GPU. Later calls raise :class:`~vljepa_ros.runtime.backend.BackendError`."""
        self._thread.close()

    def _run(self, work: Callable[[EngineChain], _Result]) -> _Result:
        return self._thread.call(partial(_with_second_try, work))


@contextmanager
def _opened(
    bundle: Bundle, options: EngineOptions, library: Library, gpu: Gpu
) -> Iterator[_Device]:
    """Load the engines, on the thread that they live on, and free them there."""
    store = PlanStore(options.folder, allow_untrusted=options.allow_untrusted)
    with closing(Cuda()) as cuda:
        plans = ensure_engines(
            bundle,
            store,
            gpu,
            options.cameras,
            library=library,
            allow_build=options.allow_build,
            progress=options.progress,
        )
        stored = [plan for plan in plans.values() if plan.path is not None]
        chain = EngineChain(cuda, library, plans, cuda_graphs=options.cuda_graphs)
        with closing(chain):
            del plans  # those that could not be stored hold their engines in memory
            yield _Device(chain, partial(_record, store, stored, chain))


def _record(
    store: PlanStore, plans: Sequence[VerifiedPlan], chain: EngineChain, cosine: float
) -> None:
    kernels = chain.compiled_kernels()
    for plan in plans:
        with suppress(OSError):  # whoever may only read the store is served all the same
            if plan.manifest.parity is None:
                store.record_parity(plan, cosine)
            if plan.graph in kernels:
                store.save_kernels(plan, kernels[plan.graph])


def _with_second_try(work: Callable[[EngineChain], _Result], device: _Device) -> _Result:
    """Run ``work``; if memory runs out, free what can be taken anew, and run it once more."""
    try:
        return work(device.chain)
    except OutOfMemoryError:
        device.chain.release()
    return work(device.chain)
