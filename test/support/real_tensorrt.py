# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own ONNX parser and builder, of one release of TensorRT-RTX, in a process of its own.

They need neither a GPU nor a driver. `make test` unpacks the releases beside the environment's
packages (scripts/setup_env.py). Two of them cannot be loaded into one process.
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from vljepa_ros.runtime.backend import TENSORRT_RTX
from vljepa_ros.runtime.tensorrt.builder import BuiltPlan, build_plan
from vljepa_ros.runtime.tensorrt.driver import gpu_of_capability
from vljepa_ros.runtime.tensorrt.library import LIBRARIES
from vljepa_ros.runtime.tensorrt.plan_manifest import FREE
from vljepa_ros.runtime.tensorrt.tensorrt_errors import BuildError

VERSIONS = ("1.4.0.76", "1.7.1.116")
FOLDER = Path(sys.prefix) / "tensorrt_rtx"
MODULE = "tensorrt_rtx_bindings"  # what `tensorrt_rtx` hands on
QUERIES = (1, 2, 64)
_Result = TypeVar("_Result")


class RealTensorRT:
    """A process in which ``tensorrt_rtx`` is the release in a folder, which is named by it."""

    def __init__(self, folder: Path) -> None:
        """Start the process with the first call."""
        self.version = folder.name
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, _enter, (str(folder),))

    def call(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        """Return what a function of a module returns there; its first argument is the library."""
        return self._pool.submit(_with_module, function, *arguments).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def build(
    trt: ModuleType,
    onnx: Path,
    clips: int = 1,
    capability: str = "8.9",
    query_tokens: int = FREE,
) -> tuple[BuiltPlan, list[float]]:
    """Build one graph; return the engine and what was told of its progress.

    Raises:
        ValueError: with the words of the BuildError, which does not pass between processes.
    """
    told: list[float] = []
    queries = QUERIES if onnx.stem == "predictor" else ()
    library, gpu = LIBRARIES[TENSORRT_RTX], gpu_of_capability(capability)
    try:
        plan = build_plan(
            library, gpu, onnx, clips, queries, b"", told.append, query_tokens=query_tokens
        )
    except BuildError as error:
        raise ValueError(str(error)) from None
    return plan, told


def build_until(trt: ModuleType, onnx: Path, fraction: float) -> float:
    """Build until so much is done; return how much was done when the build ended."""
    told: list[float] = []

    def report(done: float) -> None:
        told.append(done)
        if done >= fraction:
            raise KeyboardInterrupt

    try:
        library, gpu = LIBRARIES[TENSORRT_RTX], gpu_of_capability("8.9")
        build_plan(library, gpu, onnx, 1, (), b"", report)
    except KeyboardInterrupt:
        return told[-1]
    raise AssertionError("nothing ended the build")


def _enter(folder: str) -> None:
    sys.path.insert(0, folder)
    sys.modules[TENSORRT_RTX] = importlib.import_module(MODULE)


def _with_module(function: Callable[..., _Result], *arguments: Any) -> _Result:
    return function(sys.modules[TENSORRT_RTX], *arguments)
