# SPDX-License-Identifier: Apache-2.0
"""A plan as something that runs: TensorRT's engine and context, and memory for its tensors.

All of it belongs to the thread of its :class:`~.cuda.Cuda`. An input may lie where another engine
writes its output, so that it never leaves the GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.tensorrt.captured_run import CapturedRun
from vljepa_ros.runtime.tensorrt.cuda import DeviceMemory
from vljepa_ros.runtime.tensorrt.engine_runtime import EngineRuntime
from vljepa_ros.runtime.tensorrt.plan_manifest import FREE, TensorInfo
from vljepa_ros.runtime.tensorrt.plan_store import VerifiedPlan

_MB = 1_000_000
_TYPES: dict[str, type[np.generic]] = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


@dataclass
class _Tensor:
    """Where an input or output lies. ``pinned`` has the largest size and is made when needed."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    memory: DeviceMemory
    pinned: NDArray[Any] | None = None

    @property
    def free(self) -> bool:
        """Whether its size differs from run to run."""
        return FREE in self.shape

    def sized(self, rows: int) -> tuple[int, ...]:
        """Return the shape for a number of queries."""
        return tuple(rows if size == FREE else size for size in self.shape)


class Engine:
    """One engine. Between :meth:`allocate` and :meth:`release` it can run."""

    def __init__(
        self, runtime: EngineRuntime, plan: VerifiedPlan, *, cuda_graphs: bool = False
    ) -> None:
        """Load a plan.

        Args:
            runtime: loads it.
            plan: was verified.
            cuda_graphs: record the first run of a shape, and start the recording from then on.

        Raises:
            OutOfMemoryError: the GPU has too little memory.
            PlanError: it cannot be used.
        """
        self.inputs = plan.manifest.inputs
        self.outputs = plan.manifest.outputs
        self._graph = plan.graph
        self._most_rows = max(plan.manifest.identity.queries, default=1)
        self._runtime = runtime
        self._cuda = runtime.cuda
        self._engine = runtime.load(plan)
        self._kernels = runtime.kernel_cache(self._engine, plan.kernels(), cuda_graphs=cuda_graphs)
        self._cuda_graphs = cuda_graphs and self._kernels is None  # or the library records them
        self._context: Any = None
        self._tensors: dict[str, _Tensor] = {}
        self._own: list[DeviceMemory] = []
        self._rows = FREE  # of the tensors with a free number of them
        self._captured: CapturedRun | None = None

    def allocate(self, given: Mapping[str, DeviceMemory]) -> None:
        """Get ready to run; what fails half-way is undone by :meth:`release`.

        Args:
            given: memory of another engine, by the name of the input that lies there.

        Raises:
            OutOfMemoryError: the GPU has too little memory.
        """
        self._context = self._new_context()
        if self._context is None:
            needed = self._engine.device_memory_size_v2 / _MB
            what = f"a context of {self._graph}, which needs {needed:.0f} MB,"
            raise self._cuda.failure(what, self._runtime.log.tail())
        for name, info in {**self.inputs, **self.outputs}.items():
            self._tensors[name] = tensor = self._place(info, given.get(name))
            self._must(self._context.set_tensor_address(name, tensor.memory.address), name)

    def release(self) -> None:
        """Free what a run needs, and keep the weights; more than once does no harm."""
        with suppress(BackendError):  # whatever still runs must not lose its memory
            self._cuda.wait()
        self._forget_capture()
        self._context = None
        self._rows = FREE
        for tensor in self._tensors.values():
            if tensor.pinned is not None:
                self._cuda.unpin(tensor.pinned)
        self._tensors = {}
        for memory in self._own:
            memory.free()
        self._own = []

    def close(self) -> None:
        """Free the weights too."""
        self.release()
        self._kernels = self._engine = None

    def compiled_kernels(self) -> bytes:
        """Return what the runs so far compiled and the next start can use, if that is anything."""
        return b"" if self._kernels is None else self._kernels.content()

    def memory(self, name: str) -> DeviceMemory:
        """Return where an input or output lies."""
        return self._tensors[name].memory

    def most_rows(self, name: str) -> int:
        """Return how many rows of an input fit into one run."""
        return self._tensors[name].sized(self._most_rows)[0]

    def write(self, name: str, array: NDArray[Any]) -> None:
        """Copy an input of its own shape, or of fewer queries if they are free, to the GPU.

        Raises:
            BackendError: it has another shape or type, or CUDA refuses.
        """
        tensor = self._tensors[name]
        rows = min(len(array), self._most_rows)
        fits = array.shape == tensor.sized(rows)
        if not fits or not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
            raise BackendError(
                f"{self._graph} takes {name} {tensor.sized(self._most_rows)} {tensor.dtype}, "
                f"not {array.shape} {array.dtype}"
            )
        if tensor.free:
            self._resize(rows)
        staging = self._staging(tensor, rows)
        staging[...] = array
        self._cuda.upload(tensor.memory, staging)

    def run(self) -> None:
        """Start one run on the inputs as they are; :meth:`read` waits for it.

        Raises:
            BackendError: TensorRT refuses.
        """
        if self._captured is not None:
            self._captured.launch()
            return
        self._must(self._enqueue(), "running it")
        if self._cuda_graphs:
            self._captured = CapturedRun(self._runtime, self._graph, self._enqueue)

    def read(self, name: str) -> NDArray[np.float32]:
        """Wait for the run and return one of its outputs as float32, whatever its type.

        Raises:
            BackendError: the run failed.
        """
        tensor = self._tensors[name]
        staging = self._staging(tensor, self._rows)
        self._cuda.download(staging, tensor.memory)
        return np.array(staging, dtype=np.float32)  # a copy: the next run writes there again

    def _new_context(self) -> Any:
        if self._kernels is None:
            return self._engine.create_execution_context()
        return self._kernels.new_context(self._engine)

    def _place(self, info: TensorInfo, given: DeviceMemory | None) -> _Tensor:
        dtype = np.dtype(_TYPES[info.dtype])
        if given is None:
            given = self._cuda.allocate(self._most(info.shape) * dtype.itemsize)
            self._own.append(given)
        return _Tensor(info.shape, dtype, given)

    def _most(self, shape: tuple[int, ...]) -> int:
        """Return the largest number of values in a tensor."""
        return prod(self._most_rows if size == FREE else size for size in shape)

    def _staging(self, tensor: _Tensor, rows: int) -> NDArray[Any]:
        """Return pinned memory in the shape for a number of queries."""
        shape = tensor.sized(rows)
        if tensor.pinned is None:
            tensor.pinned = self._cuda.pinned((self._most(tensor.shape),), tensor.dtype)
        return tensor.pinned[: prod(shape)].reshape(shape)

    def _resize(self, rows: int) -> None:
        """Tell TensorRT how many rows all inputs with a free number of them have from now on."""
        if rows == self._rows:
            return
        self._forget_capture()
        for name in self.inputs:
            if self._tensors[name].free:
                shape = self._tensors[name].sized(rows)
                self._must(self._context.set_input_shape(name, shape), name)
        self._rows = rows

    def _forget_capture(self) -> None:
        if self._captured is not None:
            self._captured.close()
        self._captured = None

    def _enqueue(self) -> bool:
        return bool(self._context.execute_async_v3(self._cuda.stream))

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise self._cuda.failure(f"{self._graph}: {what}", self._runtime.log.tail())
