# SPDX-License-Identifier: Apache-2.0
"""Turns a verified plan into TensorRT's engine, and looks at what came out before it is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vljepa_ros.runtime.backend import DeviceLostError, OutOfMemoryError
from vljepa_ros.runtime.tensorrt.cuda import Cuda
from vljepa_ros.runtime.tensorrt.library import Library
from vljepa_ros.runtime.tensorrt.plan_manifest import TensorInfo
from vljepa_ros.runtime.tensorrt.plan_store import VerifiedPlan
from vljepa_ros.runtime.tensorrt.rtx import KernelCache
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BUILD_AGAIN, UnusablePlan
from vljepa_ros.runtime.tensorrt.tensorrt_log import collecting_logger

_MB = 1_000_000


class EngineRuntime:
    """A library's runtime and log, in the context of ``cuda``; the driver was probed before."""

    def __init__(self, cuda: Cuda, library: Library) -> None:
        """Start the library.

        Raises:
            MissingPackage: it is not there.
        """
        self.cuda = cuda
        self._library = library
        self._tensorrt = library.load()
        self.log = collecting_logger(self._tensorrt)
        self._runtime = self._tensorrt.Runtime(self.log)

    def load(self, plan: VerifiedPlan) -> Any:
        """Return TensorRT's engine of a plan.

        Raises:
            OutOfMemoryError: the GPU has too little memory.
            UnusablePlan: TensorRT refuses it, or it takes or gives other than its manifest says.
        """
        engine = self._runtime.deserialize_cuda_engine(plan.read())
        if engine is None:
            raise self._refusal(plan)
        found = self._interface(engine)
        promised = dict(plan.manifest.inputs), dict(plan.manifest.outputs)
        if found != promised:
            del engine  # or the traceback of the error would keep it on the GPU
            takes, gives = (", ".join(map(str, tensors.items())) for tensors in found)
            raise _unusable(plan, f"takes {takes} and gives {gives}, unlike its manifest says")
        return engine

    def kernel_cache(self, engine: Any, kept: bytes, *, cuda_graphs: bool) -> KernelCache | None:
        """Return the cache for the kernels of an engine; None if the engine holds them itself."""
        if not self._library.portable:
            return None
        return KernelCache(self._tensorrt, engine, kept, cuda_graphs=cuda_graphs)

    def _refusal(self, plan: VerifiedPlan) -> Exception:
        needed = plan.manifest.plan_bytes / _MB
        what = f"loading {plan.graph}, which needs {needed:.0f} MB,"
        failure = self.cuda.failure(what, self.log.tail())
        if isinstance(failure, (OutOfMemoryError, DeviceLostError)):
            return failure
        title = f"{self._library.title} {self._tensorrt.__version__}"
        return _unusable(plan, f"{title} cannot load it ({self.log.tail()})")

    def _interface(self, engine: Any) -> tuple[dict[str, TensorInfo], dict[str, TensorInfo]]:
        inputs: dict[str, TensorInfo] = {}
        outputs: dict[str, TensorInfo] = {}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            is_input = engine.get_tensor_mode(name) == self._tensorrt.TensorIOMode.INPUT
            shape = tuple(int(size) for size in engine.get_tensor_shape(name))
            info = TensorInfo(engine.get_tensor_dtype(name).name, shape)
            (inputs if is_input else outputs)[name] = info
        return inputs, outputs


def _unusable(plan: VerifiedPlan, cause: str) -> UnusablePlan:
    return UnusablePlan(plan.path or Path(plan.graph), cause, BUILD_AGAIN)
